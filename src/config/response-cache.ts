// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { CacheOptions } from './flags/cache.ts';

/** Triton's local cache has no room for its own tables in less. */
const LEAST_BYTES = 1024;

/**
 * Bytes of the response cache that options ask for; 0 = there is none.
 * @param options without a problem of their cache
 */
export function responseCacheBytes(options: CacheOptions): number {
  return options.responseCacheBytes ?? Number(sizeSetting(options) ?? 0);
}

/** @returns a sentence about settings that no cache can have, or undefined */
export function findCacheProblem(options: CacheOptions): string | undefined {
  const { cacheConfig, responseCacheBytes: bytes } = options;
  if (cacheConfig.length === 0 && bytes === undefined) return undefined;
  const names = new Set(cacheConfig.map(({ name }) => name));
  if (names.size > 1) {
    return `Error: --cache-config names ${names.size} caches (${[...names].join(', ')}), there can be one`;
  }
  const [name = 'local'] = names;
  if (name !== 'local') {
    return `Error: --cache-config: this server has no cache '${name}', the only one is 'local'`;
  }
  const size = bytes === undefined ? sizeSetting(options) : String(bytes);
  if (size === undefined) {
    return "Error: --cache-config: the local cache needs a size, as in 'local,size=1048576'";
  }
  if (!/^\d+$/.test(size) || Number(size) < LEAST_BYTES || !Number.isSafeInteger(Number(size))) {
    return `Error: --cache-config: expected a size of ${LEAST_BYTES} to ${Number.MAX_SAFE_INTEGER} bytes, got '${size}'`;
  }
  return undefined;
}

/** The last one counts, as in Triton. */
function sizeSetting({ cacheConfig }: CacheOptions): string | undefined {
  return cacheConfig.findLast(({ key }) => key === 'size')?.value;
}
