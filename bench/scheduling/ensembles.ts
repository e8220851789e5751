// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { TempRepository } from '../../test/support/temp-repository.ts';
import { spread } from '../statistics.ts';
import type { Effort, Figure } from './figure.ts';
import { always, cpuPerRequest, start } from './server-cpu.ts';

const STEPS = 4;
const IO = `input { name: "IN" data_type: TYPE_INT32 dims: [ -1 ] }
output { name: "OUT" data_type: TYPE_INT32 dims: [ -1 ] }`;

async function addChain(repository: TempRepository, name: string, steps: number): Promise<void> {
  const step = (i: number): string =>
    `step { model_name: "plain" model_version: -1
      input_map { key: "IN" value: "${i === 0 ? 'IN' : `t${i}`}" }
      output_map { key: "OUT" value: "${i === steps - 1 ? 'OUT' : `t${i + 1}`}" } }`;
  const all = Array.from({ length: steps }, (_, i) => step(i)).join('\n');
  await repository.write(
    `${name}/config.pbtxt`,
    `platform: "ensemble" max_batch_size: 8\n${IO}\nensemble_scheduling { ${all} }`,
  );
  await repository.write(`${name}/1/.keep`, '');
}

export async function measureEnsembles({ rounds, requests }: Effort): Promise<Figure[]> {
  using repository = new TempRepository();
  await repository.addIdentity('plain');
  await addChain(repository, 'single', 1);
  await addChain(repository, 'chain', STEPS);
  await using server = await start(repository);
  const over: number[] = [];
  const perStep: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const plain = await cpuPerRequest(server, always('plain'), requests);
    const single = await cpuPerRequest(server, always('single'), requests);
    over.push(single - plain);
    perStep.push(((await cpuPerRequest(server, always('chain'), requests)) - single) / (STEPS - 1));
  }
  return [
    {
      name: 'CPU of an ensemble of one step, over its model',
      unit: 'µs',
      found: spread(over),
      atMost: 3,
    },
    {
      name: 'CPU of a further step, the run of its model included',
      unit: 'µs',
      found: spread(perStep),
      atMost: 2,
    },
  ];
}
