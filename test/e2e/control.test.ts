// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { Agent, request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { startNereid } from '../support/nereid.ts';
import type { Endpoints } from '../support/server-process.ts';
import { TempRepository } from '../support/temp-repository.ts';

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** More connections than I/O threads, so that every thread has some. */
const CONNECTIONS = 16;

function ask(agent: Agent, at: string, method: string, path: string, body = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request(`http://${at}${path}`, { agent, method }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() });
      });
      response.on('error', reject);
    });
    call.on('error', reject);
    call.end(body);
  });
}

const INFER = JSON.stringify({
  inputs: [{ name: 'IN', shape: [1, 2], datatype: 'INT32', data: [1, 2] }],
});

describe('a running server', () => {
  const repository = new TempRepository();
  const agents = Array.from(
    { length: CONNECTIONS },
    () => new Agent({ keepAlive: true, maxSockets: 1 }),
  );
  let server: Awaited<ReturnType<typeof startNereid>>;
  let at: Endpoints;

  const [first = new Agent()] = agents;
  const post = (path: string, body = ''): Promise<Answer> =>
    ask(first, at.http, 'POST', path, body);
  const get = (path: string): Promise<Answer> => ask(first, at.http, 'GET', path);
  /** The same request on every connection at once. */
  const everywhere = (method: string, path: string, body = ''): Promise<Answer[]> =>
    Promise.all(agents.map((agent) => ask(agent, at.http, method, path, body)));

  before(async () => {
    await repository.addIdentity('steady');
    server = await startNereid({
      args: [
        `--model-repository=${repository.path}`,
        '--model-control-mode=explicit',
        '--load-model=steady',
        '--extended-metrics',
      ],
    });
    at = server.endpoints;
  });

  after(async () => {
    for (const agent of agents) agent.destroy();
    await server?.stop();
    repository[Symbol.dispose]();
  });

  it('serves a model on every thread once its load has answered, and no more after its unload', async () => {
    await repository.addIdentity('guest');
    for (let round = 0; round < 20; round++) {
      assert.deepEqual(await post('/v2/repository/models/guest/load'), { status: 200, body: '' });
      for (const { status } of await everywhere('POST', '/v2/models/guest/infer', INFER)) {
        assert.equal(status, 200);
      }
      assert.equal((await post('/v2/repository/models/guest/unload')).status, 200);
      for (const answer of await everywhere('POST', '/v2/models/guest/infer', INFER)) {
        assert.deepEqual(answer, {
          status: 404,
          body: `{"error":"Request for unknown model: 'guest' has no available versions"}`,
        });
      }
    }
  });

  it('replaces a version without a request that fails', async () => {
    let isDone = false;
    const failures: Answer[] = [];
    let served = 0;
    const traffic = agents.slice(1).map(async (agent) => {
      while (!isDone) {
        const answer = await ask(agent, at.http, 'POST', '/v2/models/steady/infer', INFER);
        served += 1;
        if (answer.status !== 200) failures.push(answer);
      }
    });
    for (let round = 0; round < 20; round++) {
      await repository.write('steady/1/weights', String(round));
      assert.equal((await post('/v2/repository/models/steady/load')).status, 200);
    }
    isDone = true;
    await Promise.all(traffic);
    assert.deepEqual(failures, []);
    assert.ok(served > 0);
  });

  it('keeps a model that cannot be loaded again', async () => {
    await repository.addIdentity('kept');
    await post('/v2/repository/models/kept/load');
    await repository.write('kept/config.pbtxt', 'max_batch_size: "eight"');
    const { status, body } = await post('/v2/repository/models/kept/load');
    assert.equal(status, 500);
    assert.match(
      body,
      /^\{"error":"failed to load 'kept', failed to poll from model repository: kept\/config\.pbtxt:1:17: /,
    );
    assert.equal((await post('/v2/models/kept/infer', INFER)).status, 200);
    assert.equal((await get('/v2/health/ready')).status, 200);
  });

  it('counts what it answered before it answers', async () => {
    await repository.addIdentity('counted');
    await post('/v2/repository/models/counted/load');
    for (let sent = 1; sent <= 5; sent++) {
      await post('/v2/models/counted/infer', INFER);
      const { model_stats } = JSON.parse((await get('/v2/models/counted/stats')).body) as {
        model_stats: { inference_count: number; inference_stats: { success: { count: number } } }[];
      };
      assert.equal(model_stats[0]?.inference_stats.success.count, sent);
      assert.equal(model_stats[0]?.inference_count, sent);
    }
  });

  it('has one page of metrics with the families of both sides, each once', async () => {
    const { status, body } = await ask(first, at.metrics, 'GET', '/metrics');
    assert.equal(status, 200);
    const families = [...body.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
    assert.equal(new Set(families).size, families.length);
    for (const name of [
      'nv_inference_request_success',
      'nv_inference_request_failure',
      'nv_model_load_duration_secs',
      'process_resident_memory_bytes',
      'nodejs_eventloop_lag_seconds',
    ]) {
      assert.ok(families.includes(name), name);
    }
    assert.match(body, /^nv_inference_request_success\{model="steady",version="1"\} \d+$/m);
    assert.doesNotMatch(body, /^nv_.*model="guest"/m);
    for (const line of body.trimEnd().split('\n')) {
      assert.match(line, /^(|#.*|[a-zA-Z_:][\w:]*(\{.*\})? (-?[\d.e+-]+|NaN|[+-]Inf))$/);
    }
  });
});
