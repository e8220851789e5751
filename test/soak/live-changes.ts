// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { askHttp } from '../support/http-client.ts';
import { GrpcInferClient, HttpInferClient, type InferClient } from '../support/infer-clients.ts';
import { startNereid } from '../support/nereid.ts';
import { ServerFacts } from '../support/server-facts.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { testDoor } from '../support/test-door.ts';
import { until } from '../support/until.ts';
import { type Effort, type Figures, Progress, type Scenario } from './scenario.ts';

const STREAMS = 16;
/** Answers between two changes. */
const BETWEEN = 100;

/** A series comes once on a page, also while two builds of a model are loaded. */
function assertUnique(page: string): void {
  const names = page
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.slice(0, line.lastIndexOf(' ')));
  assert.deepEqual(names, [...new Set(names)]);
}

/** @param effort `count` reloads */
async function runReloads({ count, log }: Effort): Promise<Figures> {
  using repository = new TempRepository();
  const write = (variant: number): Promise<void> =>
    repository.addIdentity(
      'm',
      [1],
      `${variant % 2 === 0 ? 'dynamic_batching { max_queue_delay_microseconds: 200 }' : ''}
      instance_group [{ count: ${1 + (variant % 3)} }]`,
    );
  await write(0);
  await using server = await startNereid({
    args: [
      `--model-repository=${repository.path}`,
      '--model-control-mode=explicit',
      '--load-model=m',
    ],
  });
  const { http, grpc } = server.endpoints;
  const progress = new Progress(log);
  let isOver = false;
  let answered = 0;
  const work = async (client: InferClient, ok: number): Promise<void> => {
    for (let i = 0; !isOver; i++) {
      const data = Buffer.alloc(12, i);
      const answer = await client.infer({ model: 'm', shape: [1, 3], data });
      assert.equal(answer.status, ok, answer.error);
      assert.ok(answer.data.equals(data));
      answered += 1;
    }
  };
  await using overHttp = new HttpInferClient(http, STREAMS);
  await using overGrpc = new GrpcInferClient(grpc);
  const load = Promise.all([
    ...Array.from({ length: STREAMS }, () => work(overHttp, 200)),
    ...Array.from({ length: STREAMS }, () => work(overGrpc, 0)),
  ]);
  let failure: unknown;
  load.catch((error: unknown) => {
    failure = error;
  });
  const facts = new ServerFacts(server);
  const scraped = (async () => {
    while (!isOver) assertUnique(await facts.page());
  })();
  for (let reload = 1; reload <= count && failure === undefined; reload++) {
    const wanted = answered + BETWEEN;
    await write(reload);
    const { status, body } = await askHttp(http, 'POST', '/v2/repository/models/m/load');
    assert.equal(status, 200, body);
    await until(() => failure !== undefined || answered >= wanted);
    progress.tell(() => `${reload} reloads, ${answered} answers`);
  }
  isOver = true;
  await Promise.all([load, scraped]);
  return { reloads: count, answered };
}

export const reloads: Scenario = {
  name: 'reloads',
  about: 'a model is loaded again and again under full load, and no request fails',
  short: { seconds: 0, count: 30 },
  perMinute: { count: 400 },
  run: runReloads,
};

const WAITING = 20;
const SLOW = 'parameters { key: "sleep_us" value { string_value: "20000" } }';

/** @param effort `count` unloads, each of a model that has requests */
async function runUnloads({ count, log }: Effort): Promise<Figures> {
  using repository = new TempRepository();
  await repository.add('slow', 'sleep', [1], SLOW);
  await using server = await startNereid({
    args: [
      `--model-repository=${repository.path}`,
      '--model-control-mode=explicit',
      '--enable-test-backends',
    ],
  });
  const { http, grpc } = server.endpoints;
  const facts = new ServerFacts(server);
  const progress = new Progress(log);
  const change = async (verb: string): Promise<void> => {
    const answer = await askHttp(http, 'POST', `/v2/repository/models/slow/${verb}`);
    assert.equal(answer.status, 200, answer.body);
  };
  const state = async (): Promise<string> => {
    const { body } = await askHttp(http, 'POST', '/v2/repository/index');
    return (JSON.parse(body) as { state?: string }[])[0]?.state ?? '';
  };
  await using client = new GrpcInferClient(grpc);
  for (let round = 1; round <= count; round++) {
    await change('load');
    let answered = 0;
    const calls = Array.from({ length: WAITING }, async (_, i) => {
      const data = Buffer.alloc(4, i);
      const answer = await client.infer({ model: 'slow', shape: [1, 1], data });
      assert.equal(answer.status, 0, answer.error);
      assert.ok(answer.data.equals(data));
      answered += 1;
    });
    // Each runs alone: one runs, and the others wait.
    await until(async () => (await facts.pending('slow')) > WAITING / 2);
    const unloaded = change('unload');
    await until(async () => (await state()) !== 'READY');
    const late = await client.infer({ model: 'slow', shape: [1, 1], data: Buffer.alloc(4) });
    assert.match(late.error, /has no available versions/);
    await until(async () => (await state()) === 'UNAVAILABLE');
    assert.equal(answered, WAITING, 'it was gone before its requests');
    await Promise.all([...calls, unloaded]);
    progress.tell(() => `${round} unloads`);
  }
  return { unloads: count, answered: count * WAITING };
}

export const unloads: Scenario = {
  name: 'unloads',
  about: 'an unload waits for the requests that its model has, and all of them are answered',
  short: { seconds: 0, count: 5 },
  perMinute: { count: 300 },
  run: runUnloads,
};

const CLIENT = fileURLToPath(new URL('./client-process.ts', import.meta.url));
const PROCESSES = 4;

/** @param effort `count` rounds of four clients that are killed */
async function runKills({ count, log }: Effort): Promise<Figures> {
  using repository = new TempRepository();
  await repository.addIdentity('m', [1], 'dynamic_batching {}');
  await repository.addGate('gated', 'dynamic_batching {}');
  await using server = await startNereid({
    args: [
      `--model-repository=${repository.path}`,
      '--enable-test-backends',
      '--extended-metrics=true',
    ],
  });
  const { http, grpc } = server.endpoints;
  const facts = new ServerFacts(server);
  const progress = new Progress(log);
  await using client = new HttpInferClient(http, 1);
  const row = { shape: [1, 1], data: Buffer.from([1, 2, 3, 4]) } as const;
  const first = client.infer({ model: 'gated', ...row });
  await testDoor(server.endpoints, 'gated', { action: 'await', waiting: 1 });
  const files = facts.files();
  let killed = 0;
  for (let round = 0; round < count; round++) {
    const clients = Array.from({ length: PROCESSES }, () =>
      spawn(process.execPath, [CLIENT, http, grpc], { stdio: ['ignore', 'inherit', 'inherit'] }),
    );
    const ends = clients.map((one) => once(one, 'exit'));
    // All of them have requests in the queue and others on their way.
    await until(async () => (await facts.pending('gated')) === PROCESSES * WAITING);
    for (const one of clients) one.kill('SIGKILL');
    for (const end of ends) assert.deepEqual(await end, [null, 'SIGKILL']);
    killed += PROCESSES;
    await until(async () => (await facts.pending('gated')) === 0);
    await until(async () => (await facts.pending('m')) === 0);
    await until(() => facts.files() <= files);
    progress.tell(() => `${killed} clients killed`);
  }
  await testDoor(server.endpoints, 'gated', { action: 'open' });
  assert.equal((await first).status, 200);
  const { executed } = await testDoor(server.endpoints, 'gated', {});
  assert.equal(executed, 1);
  await until(async () => (await facts.poolBytes()) === 0);
  return { killed };
}

export const kills: Scenario = {
  name: 'kills',
  about: 'clients that are killed leave nothing behind: no request, no connection, no memory',
  short: { seconds: 0, count: 2 },
  perMinute: { count: 30 },
  run: runKills,
};
