// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Running } from '../../test/support/server-facts.ts';
import { TempRepository } from '../../test/support/temp-repository.ts';
import { readTree } from '../process-tree.ts';
import { spread } from '../statistics.ts';
import type { Effort, Figure } from './figure.ts';
import { always, cpuPerRequest, start } from './server-cpu.ts';

const IDLE_MODELS = 500;

export async function measureIdleModels({ rounds, requests }: Effort): Promise<Figure[]> {
  using alone = new TempRepository();
  using crowded = new TempRepository();
  for (const repository of [alone, crowded]) await repository.addIdentity('plain');
  for (let i = 0; i < IDLE_MODELS; i++) await crowded.addIdentity(`idle${i}`);
  await using one = await start(alone);
  await using many = await start(crowded);
  const differences: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const base = await cpuPerRequest(one, always('plain'), requests);
    differences.push((await cpuPerRequest(many, always('plain'), requests)) - base);
  }
  const resident = (server: Running): number => readTree(server.pid ?? 0).rssKiB / 1024;
  const grown = (resident(many) - resident(one)) / IDLE_MODELS;
  return [
    {
      name: `CPU of a request beside ${IDLE_MODELS} idle models, over alone`,
      unit: 'µs',
      found: spread(differences),
      atMost: 0.5,
    },
    { name: 'memory of an idle model', unit: 'MiB', found: spread([grown]) },
  ];
}
