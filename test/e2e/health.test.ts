// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import { Client, credentials } from '@grpc/grpc-js';
import { GrpcClient } from '../support/grpc-client.ts';
import { askHttp, inferBody } from '../support/http-client.ts';
import { startNereid } from '../support/nereid.ts';
import { ServerFacts } from '../support/server-facts.ts';
import type { Endpoints } from '../support/server-process.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { testDoor } from '../support/test-door.ts';
import { until } from '../support/until.ts';

interface Details {
  readonly live: boolean;
  readonly ready: boolean;
  readonly policy: string;
  readonly waits_for: readonly string[];
  readonly event_loop: { readonly age_ms: number };
  readonly memory: { readonly used_bytes: number; readonly limit_bytes: number };
  readonly models: readonly { name: string; version?: string; state?: string; reason?: string }[];
  readonly instances: readonly {
    model: string;
    version: string;
    index: number;
    state: string;
    reason?: string;
    failed_attempts: number;
    poisonings: number;
  }[];
}

async function details(http: string): Promise<Details> {
  const { status, body } = await askHttp(http, 'GET', '/v2/health/details');
  assert.equal(status, 200);
  return JSON.parse(body) as Details;
}

const status = async (http: string, path: string): Promise<number> =>
  (await askHttp(http, 'GET', path)).status;

const infer = (http: string, model: string) =>
  askHttp(http, 'POST', `/v2/models/${model}/infer`, { body: inferBody() });

const GRPC_INPUT = {
  model_name: 'm',
  inputs: [{ name: 'IN', datatype: 'INT32', shape: [1, 1], contents: { int_contents: [1] } }],
};

/** A server in a worker of this process, whose event loop can be made to stand still. */
async function startBlockable(modelRepository: string) {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL('../support/blockable-server.ts', import.meta.url), {
    workerData: { modelRepository, cell },
  });
  const [endpoints] = (await once(worker, 'message')) as [Endpoints];
  const unblock = (): void => {
    Atomics.store(cell, 0, 1);
    Atomics.notify(cell, 0);
  };
  return {
    endpoints,
    unblock,
    block: async (): Promise<void> => {
      worker.postMessage('block');
      assert.deepEqual(await once(worker, 'message'), ['blocked']);
    },
    async [Symbol.asyncDispose](): Promise<void> {
      unblock();
      worker.postMessage('close');
      await once(worker, 'exit');
    },
  };
}

describe('a blocked event loop', () => {
  it('delays neither infer nor health nor metrics, and is told', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    await using server = await startBlockable(repository.path);
    const { http, grpc, metrics } = server.endpoints;
    using client = new GrpcClient(grpc);
    await server.block();
    // What TypeScript answers waits.
    let isAnswered = false;
    const metadata = askHttp(http, 'GET', '/v2').then(() => {
      isAnswered = true;
    });
    await until(async () => (await details(http)).event_loop.age_ms > 2500);
    for (let i = 0; i < 100; i++) {
      assert.equal((await infer(http, 'm')).status, 200);
      assert.equal((await client.call('ModelInfer', GRPC_INPUT)).code, 'OK');
    }
    assert.equal(await status(http, '/v2/health/live'), 200);
    assert.equal(await status(http, '/v2/health/ready'), 200);
    assert.equal(await status(http, '/v2/models/m/ready'), 200);
    for (const name of ['ServerLive', 'ServerReady']) {
      assert.equal((await client.call(name)).code, 'OK');
    }
    const page = (await askHttp(metrics, 'GET', '/metrics')).body;
    assert.match(page, /nv_inference_request_success\{model="m",version="1"\} 200/);
    assert.equal((await details(http)).models[0]?.state, 'READY');
    assert.equal(isAnswered, false);
    server.unblock();
    await metadata;
    await until(async () => (await details(http)).event_loop.age_ms < 2000);
  });
});

/** A server whose model `fragile` has so many instances that fail, or are poisoned, when they are told. */
async function startFragile(instances: number, ...flags: string[]) {
  const repository = new TempRepository();
  const group = `instance_group [{ count: ${instances} }]`;
  await repository.add('fragile', 'poison', [1], group);
  await repository.addIdentity('sound');
  const server = await startNereid({
    executable: 'nereid',
    args: [
      `--model-repository=${repository.path}`,
      '--enable-test-backends',
      '--model-control-mode=explicit',
      '--load-model=*',
      ...flags,
    ],
  });
  const { http, grpc } = server.endpoints;
  const facts = new ServerFacts(server);
  return {
    http,
    grpc,
    repository,
    tell: (control: object) => testDoor(server.endpoints, 'fragile', control),
    metric: (name: string) => facts.metric(`${name}{model="fragile",version="1"}`),
    instances: async () =>
      (await details(http)).instances.filter(({ model }) => model === 'fragile'),
    async [Symbol.asyncDispose](): Promise<void> {
      await server.stop();
      repository[Symbol.dispose]();
    },
  };
}

describe('a poisoned instance', () => {
  it('fails its own requests only, is rebuilt, and nothing is lost', async () => {
    await using server = await startFragile(2);
    const { http } = server;
    await server.tell({ action: 'poison', count: 3, message: 'the device is gone' });
    const answers = await Promise.all(Array.from({ length: 200 }, () => infer(http, 'fragile')));
    const failed = answers.filter((answer) => answer.status !== 200);
    assert.equal(failed.length, 3);
    for (const { status, body } of failed) {
      assert.equal(status, 500);
      assert.match(body, /the device is gone/);
    }
    await until(async () => (await status(http, '/v2/models/fragile/ready')) === 200);
    assert.equal((await infer(http, 'fragile')).status, 200);
    await until(async () => (await server.metric('nereid_instances_serving')) === 2);
    assert.equal(await server.metric('nereid_instance_poisonings_total'), 3);
    assert.equal(await server.metric('nereid_instance_rebuilds_total'), 3);
  });

  it('makes model and server not ready while none is left, with the reason, and ready again', async () => {
    await using server = await startFragile(1);
    const { http } = server;
    await server.tell({ action: 'break_rebuilds', count: 1000 });
    await server.tell({ action: 'poison', message: 'the device is gone' });
    assert.equal((await infer(http, 'fragile')).status, 500);
    // It waits for the instance that is to come.
    const waiting = infer(http, 'fragile');
    assert.equal(await status(http, '/v2/models/fragile/ready'), 400);
    assert.equal(await status(http, '/v2/health/ready'), 400);
    assert.equal(await status(http, '/v2/health/live'), 200);
    await until(async () => (await server.instances())[0]?.failed_attempts !== 0);
    const [instance] = await server.instances();
    assert.match(instance?.state ?? '', /poisoned|rebuilding/);
    assert.equal(instance?.reason, 'a rebuild fails as it was told');
    const index = JSON.parse((await askHttp(http, 'POST', '/v2/repository/index')).body) as {
      name: string;
      state: string;
      reason: string;
    }[];
    const row = index.find(({ name }) => name === 'fragile');
    assert.equal(row?.state, 'UNAVAILABLE');
    assert.match(row?.reason ?? '', /^instance 0 is \w+: a rebuild fails as it was told$/);
    await server.tell({ action: 'heal' });
    assert.equal((await waiting).status, 200);
    assert.equal(await status(http, '/v2/models/fragile/ready'), 200);
    assert.equal(await status(http, '/v2/health/ready'), 200);
    assert.equal((await server.instances())[0]?.state, 'serving');
  });

  it('is told to who watches, over grpc.health.v1', async () => {
    await using server = await startFragile(1);
    const client = new Client(server.grpc, credentials.createInsecure());
    const raw = (bytes: Buffer): Buffer => bytes;
    const watch = client.makeServerStreamRequest(
      '/grpc.health.v1.Health/Watch',
      raw,
      raw,
      Buffer.alloc(0),
    );
    watch.on('error', () => undefined);
    // Field 1 of HealthCheckResponse: 1 = SERVING, 2 = NOT_SERVING.
    const seen: number[] = [];
    watch.on('data', (message: Buffer) => seen.push(message[1] ?? 0));
    await until(() => seen.length === 1);
    await server.tell({ action: 'break_rebuilds', count: 1000 });
    await server.tell({ action: 'poison' });
    assert.equal((await infer(server.http, 'fragile')).status, 500);
    await until(() => seen.length === 2);
    await server.tell({ action: 'heal' });
    await until(() => seen.length === 3);
    assert.deepEqual(seen, [1, 2, 1]);
    watch.cancel();
    client.close();
  });

  it('makes its model, and ensembles of it, not ready in every protocol', async () => {
    await using server = await startFragile(1);
    const { http, repository } = server;
    await repository.addChain('around', ['fragile']);
    assert.equal((await askHttp(http, 'POST', '/v2/repository/models/around/load')).status, 200);
    const seen = async (name: string) =>
      await Promise.all([
        status(http, `/v2/models/${name}/ready`),
        status(http, `/v1/models/${name}`),
        askHttp(http, 'POST', '/v2/repository/index').then(({ body }) => {
          const rows = JSON.parse(body) as { name: string; state: string }[];
          return rows.find((row) => row.name === name)?.state;
        }),
      ]);
    for (const name of ['fragile', 'around']) {
      assert.deepEqual(await seen(name), [200, 200, 'READY']);
    }
    await server.tell({ action: 'break_rebuilds', count: 1000 });
    await server.tell({ action: 'poison' });
    assert.equal((await infer(http, 'fragile')).status, 500);
    for (const name of ['fragile', 'around']) {
      assert.deepEqual(await seen(name), [400, 503, 'UNAVAILABLE'], name);
    }
    const { body } = await askHttp(http, 'GET', '/v1/models/fragile');
    assert.equal(body, '{"error":"Model with name fragile is not ready."}');
    await server.tell({ action: 'heal' });
    await until(async () => (await status(http, '/v1/models/fragile')) === 200);
    for (const name of ['fragile', 'around']) {
      assert.deepEqual(await seen(name), [200, 200, 'READY']);
    }
  });

  it('leaves a server ready whose policy does not wait for it', async () => {
    await using server = await startFragile(1, '--readiness-policy=listed:sound');
    await server.tell({ action: 'break_rebuilds', count: 1000 });
    await server.tell({ action: 'poison' });
    assert.equal((await infer(server.http, 'fragile')).status, 500);
    assert.equal(await status(server.http, '/v2/models/fragile/ready'), 400);
    assert.equal(await status(server.http, '/v2/health/ready'), 200);
  });

  it('lets a request leave whose deadline passes meanwhile', async () => {
    await using server = await startFragile(1);
    await server.tell({ action: 'break_rebuilds', count: 1000 });
    await server.tell({ action: 'poison' });
    assert.equal((await infer(server.http, 'fragile')).status, 500);
    const late = await askHttp(server.http, 'POST', '/v2/models/fragile/infer', {
      body: inferBody(),
      headers: { 'x-request-timeout-ms': '50' },
    });
    assert.equal(late.status, 504);
  });
});

describe('GET /v2/health/details', () => {
  it('names policy, models and why they do not serve', async () => {
    await using server = await startFragile(1);
    await askHttp(server.http, 'POST', '/v2/repository/models/fragile/unload');
    let seen = await details(server.http);
    await until(async () => {
      seen = await details(server.http);
      return seen.models.some(({ state }) => state === 'UNAVAILABLE');
    });
    assert.equal(seen.policy, 'all');
    assert.equal(seen.ready, true);
    assert.deepEqual(seen.waits_for, []);
    assert.ok(seen.memory.limit_bytes > 0);
    assert.deepEqual(
      seen.models.map(({ name, state, reason }) => [name, state, reason]),
      [
        ['fragile', 'UNAVAILABLE', 'unloaded'],
        ['sound', 'READY', undefined],
      ],
    );
  });

  it('is off where Triton has nothing', async () => {
    using repository = new TempRepository();
    await using server = await startNereid({ args: [`--model-repository=${repository.path}`] });
    const answer = await askHttp(server.endpoints.http, 'GET', '/v2/health/details');
    assert.deepEqual([answer.status, answer.body], [404, '{"error":"Not Found"}']);
  });
});
