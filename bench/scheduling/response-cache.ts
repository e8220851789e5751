// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { TempRepository } from '../../test/support/temp-repository.ts';
import { spread } from '../statistics.ts';
import type { Effort, Figure } from './figure.ts';
import { always, cpuPerRequest, type NextRequest, ROW, start } from './server-cpu.ts';

/** So small that every answer soon takes the place of an older one. */
const CACHE_BYTES = 1 << 20;

/** Requests none of which comes twice. */
function neverTwice(model: string): NextRequest {
  let sent = 0;
  return () => {
    const data = Buffer.from(ROW.data);
    data.writeUInt32LE(sent);
    sent += 1;
    return { ...ROW, model, data };
  };
}

export async function measureResponseCache({ rounds, requests }: Effort): Promise<Figure[]> {
  using repository = new TempRepository();
  await repository.addIdentity('plain');
  await repository.addIdentity('cached', [1], 'response_cache { enable: true }');
  await using server = await start(repository, [`--cache-config=local,size=${CACHE_BYTES}`]);
  const plain = neverTwice('plain');
  const missing = neverTwice('cached');
  const hits: number[] = [];
  const misses: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const identity = await cpuPerRequest(server, always('plain'), requests);
    hits.push((await cpuPerRequest(server, always('cached'), requests)) - identity);
    const without = await cpuPerRequest(server, plain, requests);
    const ratio = (await cpuPerRequest(server, missing, requests)) / without;
    misses.push((ratio - 1) * 100);
  }
  return [
    {
      name: 'CPU of a hit of the response cache, over identity',
      unit: 'µs',
      found: spread(hits),
      atMost: 2,
    },
    {
      name: 'CPU of a request that misses and is kept, over no cache',
      unit: '%',
      found: spread(misses),
      atMost: 3,
    },
  ];
}
