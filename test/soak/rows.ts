// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import {
  GrpcInferClient,
  HttpInferClient,
  type InferClient,
  type Rows,
} from '../support/infer-clients.ts';
import { startNereid } from '../support/nereid.ts';
import { ServerFacts } from '../support/server-facts.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { Dice, type Effort, type Figures, Progress, type Scenario } from './scenario.ts';

const HTTP_CONNECTIONS = 24;
const GRPC_CONNECTIONS = 2;
const STREAMS = 20;
/** Few, so that requests of the same shape meet in a batch and others are between them. */
const COLUMNS = [1, 3, 16] as const;
const MOST_ROWS = 4;
const MODELS = ['batched', 'ordered'] as const;

/** No two elements of a run are alike before 2^32 of them. */
class Elements {
  #next = 0;

  take(count: number): Buffer {
    const data = Buffer.alloc(count * 4);
    for (let i = 0; i < count; i++) {
      // An odd factor: every number comes once.
      data.writeInt32LE(Math.imul(this.#next++, 0x9e3779b1), i * 4);
    }
    return data;
  }
}

/** @param effort `count` answers */
async function run({ count, seed, log }: Effort): Promise<Figures> {
  using repository = new TempRepository();
  const batching = 'max_queue_delay_microseconds: 500 preferred_batch_size: [ 8 ]';
  await repository.addIdentity(
    'batched',
    [1],
    `dynamic_batching { ${batching} } instance_group [{ count: 2 }]`,
  );
  await repository.addIdentity(
    'ordered',
    [1],
    `dynamic_batching { ${batching} preserve_ordering: true }`,
  );
  await using server = await startNereid({
    args: [`--model-repository=${repository.path}`, '--inline-execution=off'],
  });
  const { http, grpc } = server.endpoints;
  const dice = new Dice(seed);
  const elements = new Elements();
  const progress = new Progress(log);
  let answered = 0;
  let started = 0;

  const work = async (client: InferClient, ok: number): Promise<void> => {
    while (started < count) {
      started += 1;
      const shape = [1 + dice.roll(MOST_ROWS), dice.pick(COLUMNS)] as const;
      const data = elements.take(shape[0] * shape[1]);
      const rows: Rows = { model: dice.pick(MODELS), shape, data };
      const answer = await client.infer(rows);
      assert.equal(answer.status, ok, answer.error);
      assert.deepEqual(answer.shape, shape);
      assert.ok(answer.data.equals(data), `another's rows in an answer of ${rows.model}`);
      answered += 1;
      progress.tell(() => `${answered} answers`);
    }
  };

  await using overHttp = new HttpInferClient(http, HTTP_CONNECTIONS);
  const overGrpc = Array.from({ length: GRPC_CONNECTIONS }, () => new GrpcInferClient(grpc));
  await Promise.all([
    ...Array.from({ length: HTTP_CONNECTIONS }, () => work(overHttp, 200)),
    ...overGrpc.flatMap((client) => Array.from({ length: STREAMS }, () => work(client, 0))),
  ]);
  for (const client of overGrpc) await client[Symbol.asyncDispose]();
  assert.equal(answered, count);

  const facts = new ServerFacts(server);
  let executions = 0;
  let succeeded = 0;
  for (const model of MODELS) {
    executions += await facts.executions(model);
    succeeded += await facts.succeeded(model);
    assert.equal(await facts.pending(model), 0);
  }
  assert.equal(succeeded, count);
  // Else nothing was proved: each ran alone.
  assert.ok(executions < count * 0.9, `${executions} executions of ${count} requests`);
  return { answers: answered, executions };
}

export const rowIntegrity: Scenario = {
  name: 'rows',
  about: 'every answer through dynamic batching holds the rows of its own request',
  short: { seconds: 0, count: 100_000 },
  perMinute: { count: 300_000 },
  run,
};
