// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { TempRepository } from '../../test/support/temp-repository.ts';
import { spread } from '../statistics.ts';
import type { Effort, Figure } from './figure.ts';
import { always, cpuPerRequest, type NextRequest, ROW, start } from './server-cpu.ts';

/** The steps of a sequence; each client at work has one after the other. */
const LENGTH = 50;

/** One slot for each client at work. */
const BATCH = 64;

const schedulers = {
  plain: 'dynamic_batching {}',
  direct: 'sequence_batching { direct {} }',
  oldest: `sequence_batching { oldest { max_candidate_sequences: ${BATCH} } }`,
} as const;

function steps(model: string): NextRequest {
  return (client, step) => {
    const at = step % LENGTH;
    return { ...ROW, model, sequence: { id: client + 1, start: at === 0, end: at === LENGTH - 1 } };
  };
}

export async function measureSequences({ rounds, requests }: Effort): Promise<Figure[]> {
  using repository = new TempRepository();
  for (const [name, scheduler] of Object.entries(schedulers))
    await repository.write(
      `${name}/config.pbtxt`,
      `backend: "identity" max_batch_size: ${BATCH} ${scheduler}
      input { name: "IN" data_type: TYPE_INT32 dims: [ 16 ] }
      output { name: "OUT" data_type: TYPE_INT32 dims: [ 16 ] }`,
    );
  for (const name of Object.keys(schedulers)) await repository.write(`${name}/1/.keep`, '');
  await using server = await start(repository);
  const over = { direct: [] as number[], oldest: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    const plain = await cpuPerRequest(server, always('plain'), requests);
    for (const strategy of ['direct', 'oldest'] as const)
      over[strategy].push((await cpuPerRequest(server, steps(strategy), requests)) - plain);
  }
  return (['direct', 'oldest'] as const).map((strategy) => ({
    name: `CPU of a step of a sequence (${strategy}), over dynamic batching`,
    unit: 'µs',
    found: spread(over[strategy]),
    atMost: 2,
  }));
}
