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

const GATED = `backend: "gate" max_batch_size: 16
input { name: "IN" data_type: TYPE_INT32 dims: [ -1 ] }
output { name: "OUT" data_type: TYPE_INT32 dims: [ -1 ] }
instance_group { count: ${INSTANCES} kind: KIND_CPU }
dynamic_batching { }
parameters { key: "max_request_rows" value { string_value: "${ROWS}" } }
parameters { key: "closed" value { string_value: "true" } }
`;

async function start(repository: TempRepository) {
  await repository.write('gated/config.pbtxt', GATED);
  await repository.write('gated/1/.keep', '');
  const server = await startNereid({
    executable: 'nereid',
    args: [`--model-repository=${repository.path}`, '--enable-test-backends'],
  });
  return {
    server,
    facts: new ServerFacts(server),
    gate: (control: object) => testDoor(server.endpoints, 'gated', control),
    [Symbol.asyncDispose]: () => server.stop().then(() => undefined),
  };
}

const rows = (first: number) => ({
  model: 'gated',
  shape: [ROWS, 1] as const,
  data: Buffer.from(Int32Array.from({ length: ROWS }, (_, i) => first + i).buffer),
});

describe(`a request of ${ROWS} rows to a model that takes 16`, () => {
  it('runs on all instances and is answered whole, in order', { timeout: 60_000 }, async () => {
    using repository = new TempRepository();
    await using started = await start(repository);
    const { facts, gate, server } = started;
    await using client = new HttpInferClient(server.endpoints.http, 4);
    const answer = client.infer(rows(0));
    await gate({ action: 'await', waiting: INSTANCES });
    await until(async () => (await facts.pending('gated')) === PARTS - INSTANCES);
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
