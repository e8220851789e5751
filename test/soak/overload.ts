// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { GrpcInferClient, HttpInferClient, type RowsAnswer } from '../support/infer-clients.ts';
import { startNereid } from '../support/nereid.ts';
import { ServerFacts } from '../support/server-facts.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { testDoor } from '../support/test-door.ts';
import { until } from '../support/until.ts';
import type { Effort, Figures, Scenario } from './scenario.ts';

const QUEUE_LIMIT = 64;
const TIMES_TOO_MANY = 10;
const MEMORY_LIMIT_MIB = 64;
/** One request: 16 KiB of rows. */
const COLUMNS = 4 * 1024;

const BATCHING = `dynamic_batching { default_queue_policy { max_queue_size: ${QUEUE_LIMIT} } }`;

const REFUSED = /Exceeds maximum queue size/;
const isOk = ({ status }: RowsAnswer): boolean => status === 200 || status === 0;

/** @param effort `count` rounds, each of one queue full and of ten times as many requests as it takes */
async function run({ count, log }: Effort): Promise<Figures> {
  using repository = new TempRepository();
  await repository.addGate('gated', BATCHING);
  await using server = await startNereid({
    executable: 'nereid',
    args: [
      `--model-repository=${repository.path}`,
      '--enable-test-backends',
      `--memory-limit=${MEMORY_LIMIT_MIB << 20}`,
    ],
  });
  const { http, grpc } = server.endpoints;
  const facts = new ServerFacts(server);
  const gate = (control: object) => testDoor(server.endpoints, 'gated', control);
  const offered = QUEUE_LIMIT * TIMES_TOO_MANY;
  await using overHttp = new HttpInferClient(http, offered);
  await using overGrpc = new GrpcInferClient(grpc);
  let peakBytes = 0;

  for (let round = 0; round < count; round++) {
    const answers: RowsAnswer[] = [];
    const send = async (index: number): Promise<void> => {
      const data = Buffer.alloc(COLUMNS * 4, index);
      const rows = { model: 'gated', shape: [1, COLUMNS], data } as const;
      const answer = await (index % 2 === 0 ? overHttp : overGrpc).infer(rows);
      if (isOk(answer)) assert.ok(answer.data.equals(data));
      answers.push(answer);
    };
    await gate({ action: 'close' });
    const executed = (await gate({})).executed;
    const calls = [send(0)];
    await gate({ action: 'await', waiting: 1 });
    for (let i = 1; i < offered; i++) calls.push(send(i));

    // What does not fit is refused while nothing moves; exactly the queue and the one at the gate stay.
    await until(() => answers.length === offered - QUEUE_LIMIT - 1);
    assert.ok(answers.every((answer) => !isOk(answer)));
    for (const { error } of answers) assert.match(error, REFUSED);
    assert.equal(await facts.pending('gated'), QUEUE_LIMIT);
    const bytes = await facts.poolBytes();
    assert.ok(bytes <= MEMORY_LIMIT_MIB << 20, `${bytes} bytes of requests`);
    peakBytes = Math.max(peakBytes, bytes);

    // The gauge follows each batch that leaves; the gate takes up to max_batch_size rows at once.
    let waiting = QUEUE_LIMIT;
    for (let step = 1; step <= 3; step++) {
      await gate({ action: 'release' });
      await gate({ action: 'await', waiting: 1, executed: executed + step });
      waiting -= 8;
      assert.equal(await facts.pending('gated'), waiting);
    }
    await gate({ action: 'open' });
    await Promise.all(calls);
    assert.equal(answers.filter(isOk).length, QUEUE_LIMIT + 1);
    assert.equal(await facts.pending('gated'), 0);
    if (round % 20 === 19) log(`${round + 1} rounds`);
  }
  assert.equal(await facts.succeeded('gated'), (QUEUE_LIMIT + 1) * count);
  const refused = (offered - QUEUE_LIMIT - 1) * count;
  assert.equal(await facts.failed('gated', 'REJECTED'), refused);
  return { rounds: count, accepted: (QUEUE_LIMIT + 1) * count, refused, peakBytes };
}

export const overload: Scenario = {
  name: 'overload',
  about:
    'of ten times too many requests exactly the queue is accepted, the others are refused at once',
  short: { seconds: 0, count: 3 },
  perMinute: { count: 60 },
  run,
};
