// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { HttpInferClient } from '../support/infer-clients.ts';
import { startNereid } from '../support/nereid.ts';
import { ServerFacts } from '../support/server-facts.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { testDoor } from '../support/test-door.ts';
import { until } from '../support/until.ts';
import { type Effort, type Figures, Progress, type Scenario } from './scenario.ts';

const LIMIT_MIB = 32;
const REQUESTS = 128;
/** A body of 1 MiB. */
const COLUMNS = 256 * 1024;

/** @param effort `count` waves of 128 MiB of bodies against a limit of 32 */
async function run({ count, log }: Effort): Promise<Figures> {
  using repository = new TempRepository();
  await repository.addGate('gated', 'dynamic_batching {}');
  await using server = await startNereid({
    executable: 'nereid',
    args: [
      `--model-repository=${repository.path}`,
      '--enable-test-backends',
      `--memory-limit=${LIMIT_MIB << 20}`,
    ],
  });
  const facts = new ServerFacts(server);
  const progress = new Progress(log);
  await using client = new HttpInferClient(server.endpoints.http, REQUESTS);
  let served = 0;
  let refused = 0;
  let peakBytes = 0;
  for (let wave = 0; wave < count; wave++) {
    await testDoor(server.endpoints, 'gated', { action: 'close' });
    const calls = Array.from({ length: REQUESTS }, async (_, i) => {
      const data = Buffer.alloc(COLUMNS * 4, i);
      const answer = await client.infer({ model: 'gated', shape: [1, COLUMNS], data });
      if (answer.status === 200) {
        assert.ok(answer.data.equals(data));
        served += 1;
      } else {
        assert.equal(answer.status, 503, answer.error);
        assert.match(answer.error, /memory limit reached/);
        refused += 1;
      }
    });
    // Nothing moves, and the memory is full.
    await until(async () => {
      const bytes = await facts.poolBytes();
      assert.ok(bytes <= LIMIT_MIB << 20, `${bytes} bytes`);
      peakBytes = Math.max(peakBytes, bytes);
      return bytes > (LIMIT_MIB - 1) << 20;
    });
    await testDoor(server.endpoints, 'gated', { action: 'open' });
    // Each is answered: bodies that fill the memory together do not wait for each other for ever.
    await Promise.all(calls);
    await until(async () => (await facts.poolBytes()) === 0);
    progress.tell(() => `${served} served, ${refused} refused`);
  }
  assert.ok(served > 0);
  assert.ok(refused > 0);
  return { served, refused, peakBytes };
}

export const memoryPressure: Scenario = {
  name: 'memory-pressure',
  about: 'four times more bytes of requests than there may be: all are answered, the ceiling holds',
  short: { seconds: 0, count: 1 },
  perMinute: { count: 8 },
  run,
};
