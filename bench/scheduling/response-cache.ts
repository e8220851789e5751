// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Running } from '../../test/support/server-facts.ts';
import { TempRepository } from '../../test/support/temp-repository.ts';
import { spread } from '../statistics.ts';
import type { Effort, Figure } from './figure.ts';
import { always, cpuPerRequest, type NextRequest, ROW, start } from './server-cpu.ts';

/** Full with the first thousands of answers. */
const SMALL_CACHE_BYTES = 1 << 20;
/** Never full here. */
const LARGE_CACHE_BYTES = 8 * 2 ** 30;

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

/** Each of `rounds` times: what `missing` costs more than `plain`, in %. */
async function extraOfMisses(
  server: Running,
  { rounds, requests }: Effort,
): Promise<readonly number[]> {
  const plain = neverTwice('plain');
  const missing = neverTwice('cached');
  const extra: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const without = await cpuPerRequest(server, plain, requests);
    extra.push(((await cpuPerRequest(server, missing, requests)) / without - 1) * 100);
  }
  return extra;
}

export async function measureResponseCache(effort: Effort): Promise<Figure[]> {
  using repository = new TempRepository();
  await repository.addIdentity('plain');
  await repository.addIdentity('cached', [1], 'response_cache { enable: true }');
  const hits: number[] = [];
  let misses: readonly number[];
  let kept: readonly number[];
  {
    await using server = await start(repository, [
      `--cache-config=local,size=${SMALL_CACHE_BYTES}`,
    ]);
    for (let round = 0; round < effort.rounds; round++) {
      const identity = await cpuPerRequest(server, always('plain'), effort.requests);
      hits.push((await cpuPerRequest(server, always('cached'), effort.requests)) - identity);
    }
    misses = await extraOfMisses(server, effort);
  }
  {
    await using server = await start(repository, [
      `--cache-config=local,size=${LARGE_CACHE_BYTES}`,
    ]);
    kept = await extraOfMisses(server, effort);
  }
  return [
    {
      name: 'CPU of a hit of the response cache, over identity',
      unit: 'µs',
      found: spread(hits),
      atMost: 2,
    },
    {
      name: 'CPU of a request that misses the full cache, over no cache',
      unit: '%',
      found: spread(misses),
      atMost: 3,
    },
    {
      name: 'CPU of a request that misses and is kept, over no cache',
      unit: '%',
      found: spread(kept),
    },
  ];
}
