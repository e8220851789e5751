// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { TempRepository } from '../../test/support/temp-repository.ts';
import { spread } from '../statistics.ts';
import type { Effort, Figure } from './figure.ts';
import { always, cpuPerRequest, start } from './server-cpu.ts';

const STEPS = 4;

export async function measureEnsembles({ rounds, requests }: Effort): Promise<Figure[]> {
  using repository = new TempRepository();
  await repository.addIdentity('plain');
  await repository.addChain('single', ['plain']);
  await repository.addChain('chain', new Array<string>(STEPS).fill('plain'));
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
