// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GrpcInferClient, HttpInferClient, LeftError } from '../support/infer-clients.ts';
import { startNereid } from '../support/nereid.ts';
import { ServerFacts } from '../support/server-facts.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { testDoor } from '../support/test-door.ts';
import { until } from '../support/until.ts';

const ROWS = 500;
const INSTANCES = 3;
const PARTS = Math.ceil(ROWS / 16);
/** Parts of one request that are in the queue while others run. */
const QUEUED = INSTANCES;

const gated = (instances: number) => `backend: "gate" max_batch_size: 16
input { name: "IN" data_type: TYPE_INT32 dims: [ -1 ] }
output { name: "OUT" data_type: TYPE_INT32 dims: [ -1 ] }
instance_group { count: ${instances} kind: KIND_CPU }
dynamic_batching { }
parameters { key: "max_request_rows" value { string_value: "${ROWS}" } }
parameters { key: "closed" value { string_value: "true" } }
`;

interface Options {
  readonly instances?: number;
  readonly flags?: readonly string[];
}

async function start(repository: TempRepository, options: Options = {}) {
  const { instances = INSTANCES, flags = [] } = options;
  await repository.write('gated/config.pbtxt', gated(instances));
  await repository.write('gated/1/.keep', '');
  const server = await startNereid({
    executable: 'nereid',
    args: [`--model-repository=${repository.path}`, '--enable-test-backends', ...flags],
  });
  return {
    server,
    facts: new ServerFacts(server),
    gate: (control: object) => testDoor(server.endpoints, 'gated', control),
    [Symbol.asyncDispose]: () => server.stop().then(() => undefined),
  };
}

const rows = (first: number, count = ROWS) => ({
  model: 'gated',
  shape: [count, 1] as const,
  data: Buffer.from(Int32Array.from({ length: count }, (_, i) => first + i).buffer),
});

describe(`a request of ${ROWS} rows to a model that takes 16`, () => {
  it('runs on all instances and is answered whole, in order', { timeout: 60_000 }, async () => {
    using repository = new TempRepository();
    await using started = await start(repository);
    const { facts, gate, server } = started;
    await using client = new HttpInferClient(server.endpoints.http, 4);
    const answer = client.infer(rows(0));
    await gate({ action: 'await', waiting: INSTANCES });
    await until(async () => (await facts.pending('gated')) === QUEUED);
    const others = [1, 2, 3].map((i) => client.infer(rows(i * 1_000_000)));
    await gate({ action: 'open' });
    for (const [i, one] of (await Promise.all([answer, ...others])).entries()) {
      assert.equal(one.status, 200, one.error);
      assert.deepEqual(one.shape, [ROWS, 1]);
      assert.ok(one.data.equals(rows(i * 1_000_000).data));
    }
    assert.equal(await facts.succeeded('gated'), 4);
    await until(async () => (await facts.poolBytes()) === 0);
  });

  it('lets small requests run between its parts', { timeout: 60_000 }, async () => {
    using repository = new TempRepository();
    await using started = await start(repository, { instances: 1 });
    const { facts, gate, server } = started;
    await using large = new HttpInferClient(server.endpoints.http, 1);
    await using small = new HttpInferClient(server.endpoints.http, 1);
    let isAnswered = false;
    const answer = large.infer(rows(0)).finally(() => {
      isAnswered = true;
    });
    await gate({ action: 'await', waiting: 1 });
    const others = 8;
    for (let i = 1; i <= others; i++) {
      await until(async () => (await facts.pending('gated')) === 1);
      const one = small.infer(rows(i * 1_000_000, 1));
      await until(async () => (await facts.pending('gated')) === 2);
      // The part that runs, the one that waits, and the small request.
      await gate({ action: 'release', count: 3 });
      const { status, data } = await one;
      assert.equal(status, 200);
      assert.ok(data.equals(rows(i * 1_000_000, 1).data));
      await gate({ action: 'await', waiting: 1, executed: 3 * i });
    }
    assert.equal(isAnswered, false);
    await gate({ action: 'open' });
    const { status, data } = await answer;
    assert.equal(status, 200);
    assert.ok(data.equals(rows(0).data));
    assert.equal(await facts.succeeded('gated'), others + 1);
    const { executed } = await gate({});
    assert.equal(executed, PARTS + others);
  });

  it('waits in a queue that holds fewer than its parts', { timeout: 60_000 }, async () => {
    using repository = new TempRepository();
    await using started = await start(repository, { flags: [`--max-queue-size=${2 * INSTANCES}`] });
    const { gate, server } = started;
    await using client = new HttpInferClient(server.endpoints.http, 1);
    const answer = client.infer(rows(0));
    await gate({ action: 'await', waiting: INSTANCES });
    await gate({ action: 'open' });
    const { status, error, data } = await answer;
    assert.equal(status, 200, error);
    assert.ok(data.equals(rows(0).data));
  });

  it('runs no part any more once its client has left', { timeout: 60_000 }, async () => {
    using repository = new TempRepository();
    await using started = await start(repository);
    const { facts, gate, server } = started;
    await using client = new GrpcInferClient(server.endpoints.grpc);
    const leaving = new AbortController();
    const answer = client.infer(rows(0), { signal: leaving.signal });
    await gate({ action: 'await', waiting: INSTANCES });
    await gate({ action: 'release' });
    await gate({ action: 'await', waiting: INSTANCES, executed: 1 });
    leaving.abort();
    await assert.rejects(answer, LeftError);
    await until(async () => (await facts.pending('gated')) === 0);
    await gate({ action: 'open' });
    const whole = await client.infer(rows(7));
    assert.ok(whole.data.equals(rows(7).data));
    // One part before it left, those at the gate, and the other request.
    const most = 1 + INSTANCES + PARTS;
    const { executed } = await gate({});
    assert.ok(executed <= most, `${executed} executions, at most ${most}`);
  });
});
