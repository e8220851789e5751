// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { GrpcInferClient } from '../../test/support/infer-clients.ts';
import { ServerFacts } from '../../test/support/server-facts.ts';
import { TempRepository } from '../../test/support/temp-repository.ts';
import { testDoor } from '../../test/support/test-door.ts';
import { until } from '../../test/support/until.ts';
import { quantile, spread } from '../statistics.ts';
import type { Effort, Figure } from './figure.ts';
import { ROW, start } from './server-cpu.ts';

const QUEUED = 200;
const REFUSALS = 2000;

const BATCHING = `dynamic_batching { default_queue_policy { max_queue_size: ${QUEUED} } }`;

/** Milliseconds from the clients' leaving until the gauge of the queue says that it is empty, scrapes included. */
export async function measureQueue({ rounds }: Effort): Promise<Figure[]> {
  using repository = new TempRepository();
  await repository.addGate('gated', BATCHING);
  await using server = await start(repository);
  const facts = new ServerFacts(server);
  await using holder = new GrpcInferClient(server.endpoints.grpc);
  const row = { ...ROW, model: 'gated' };
  const held = holder.infer(row);
  await testDoor(server.endpoints, 'gated', { action: 'await', waiting: 1 });
  const filled = async (client: GrpcInferClient, signal?: AbortSignal) => {
    const options = signal === undefined ? {} : { signal };
    const calls = Array.from({ length: QUEUED }, () =>
      client.infer(row, options).catch(() => undefined),
    );
    await until(async () => (await facts.pending('gated')) === QUEUED);
    return calls;
  };
  const emptied = async (
    leave: () => void,
    calls: readonly Promise<unknown>[],
  ): Promise<number> => {
    const begin = performance.now();
    leave();
    while ((await facts.pending('gated')) > 0);
    const took = performance.now() - begin;
    await Promise.all(calls);
    return took;
  };
  const cancelled: number[] = [];
  const disconnected: number[] = [];
  const refused: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const leaving = new AbortController();
    await using staying = new GrpcInferClient(server.endpoints.grpc);
    const cancels = await filled(staying, leaving.signal);
    cancelled.push(await emptied(() => leaving.abort(), cancels));
    const going = new GrpcInferClient(server.endpoints.grpc);
    disconnected.push(await emptied(() => going.destroy(), await filled(going)));

    // The queue is full, and ten times as many as it takes come after it, some at a time.
    const queue = new GrpcInferClient(server.endpoints.grpc);
    const waiting = await filled(queue);
    const times: number[] = [];
    for (let sent = 0; sent < REFUSALS; sent += 8) {
      const one = async (): Promise<void> => {
        const begin = performance.now();
        const { status } = await staying.infer(row);
        if (status === 0) throw new Error('a request was accepted by a full queue');
        times.push(performance.now() - begin);
      };
      await Promise.all(Array.from({ length: 8 }, one));
    }
    refused.push(
      quantile(
        times.sort((a, b) => a - b),
        0.99,
      ),
    );
    await emptied(() => queue.destroy(), waiting);
  }
  await testDoor(server.endpoints, 'gated', { action: 'open' });
  await held;
  const queue = { unit: 'ms', atMost: 50 } as const;
  return [
    { name: `${QUEUED} cancelled requests leave the queue`, found: spread(cancelled), ...queue },
    {
      name: `${QUEUED} requests of a lost connection leave it`,
      found: spread(disconnected),
      ...queue,
    },
    {
      name: 'a refusal at 10 times too many requests, 99th percentile at the client',
      unit: 'ms',
      found: spread(refused),
      atMost: 5,
    },
  ];
}
