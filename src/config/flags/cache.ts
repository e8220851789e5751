// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { type Flag, FlagError, ignored, type NamedSetting, size } from './flag.ts';

/** The response cache. */
export interface CacheOptions {
  /** `--cache-config` in order; `name` is the cache (local, redis) */
  readonly cacheConfig: readonly NamedSetting[];
  /** the deprecated `--response-cache-byte-size`; undefined = not given */
  readonly responseCacheBytes: number | undefined;
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptyCacheOptions: CacheOptions = { cacheConfig: [], responseCacheBytes: undefined };

export const cacheFlags: readonly Flag<CacheOptions>[] = [
  {
    name: 'cache-config',
    group: 'Response cache',
    value: '<cache,setting=value>',
    help: 'Setting of the response cache: local,size=BYTES keeps answers of models with response_cache { enable: true }.',
    repeats: true,
    set: (draft, value) => {
      draft.cacheConfig = [...draft.cacheConfig, cacheSetting(value)];
    },
  },
  ignored('cache-directory', 'Response cache', '<path>', 'the local cache is part of the server'),
];

export const deprecatedCacheFlags: readonly Flag<CacheOptions>[] = [
  {
    name: 'response-cache-byte-size',
    group: 'Deprecated',
    value: '<integer>',
    help: 'Use --cache-config=local,size=bytes.',
    deprecated: (value) => {
      const bytes = size(value);
      return (
        "Warning: '--response-cache-byte-size' has been deprecated! This will default to the 'local' cache " +
        "implementation with the provided byte size for its config. Please use '--cache-config' instead. " +
        `The equivalent --cache-config CLI args would be: '--cache-config=local,size=${bytes}'`
      );
    },
    set: (draft, value) => {
      draft.responseCacheBytes = size(value);
    },
  },
];

function cacheSetting(value: string): NamedSetting {
  const comma = value.indexOf(',');
  if (comma <= 0) {
    throw new FlagError(
      'No cache specified. --cache-config option format is ' +
        `<cache name>,<setting>=<value>. Got ${value}`,
    );
  }
  const equals = value.indexOf('=', comma + 1);
  const key = value.slice(comma + 1, Math.max(equals, comma + 1));
  const setting = value.slice(equals + 1);
  if (equals < 0 || key === '' || setting === '') {
    throw new FlagError(
      `--cache-config option format is '<cache name>,<setting>=<value>'. Got ${value}`,
    );
  }
  return { name: value.slice(0, comma), key, value: setting };
}
