// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { emptyCacheOptions } from './flags/cache.ts';
import { findCacheProblem, responseCacheBytes } from './response-cache.ts';

const local = (...sizes: string[]) => ({
  ...emptyCacheOptions,
  cacheConfig: sizes.map((value) => ({ name: 'local', key: 'size', value })),
});

describe('options of the response cache', () => {
  it('ask for none by default', () => {
    assert.equal(findCacheProblem(emptyCacheOptions), undefined);
    assert.equal(responseCacheBytes(emptyCacheOptions), 0);
  });

  it('give it bytes, the last setting winning', () => {
    const options = local('1024', '4096');
    assert.equal(findCacheProblem(options), undefined);
    assert.equal(responseCacheBytes(options), 4096);
  });

  it('may use the deprecated flag', () => {
    const options = { ...emptyCacheOptions, responseCacheBytes: 1_048_576 };
    assert.equal(findCacheProblem(options), undefined);
    assert.equal(responseCacheBytes(options), 1_048_576);
  });

  it('are refused with a sentence where no cache can have them', () => {
    for (const size of ['abc', '10', '-5', '0', '1e6', '99999999999999999999'])
      assert.match(
        findCacheProblem(local(size)) ?? '',
        /expected a size of 1024 to 9007199254740991 bytes, got '/,
        size,
      );
    assert.match(
      findCacheProblem({
        ...emptyCacheOptions,
        cacheConfig: [{ name: 'redis', key: 'host', value: 'x' }],
      }) ?? '',
      /this server has no cache 'redis'/,
    );
    const setting = (name: string, key: string) => ({ name, key, value: '4096' });
    assert.match(
      findCacheProblem({ ...emptyCacheOptions, cacheConfig: [setting('local', 'other')] }) ?? '',
      /the local cache needs a size/,
    );
    assert.match(
      findCacheProblem({
        ...emptyCacheOptions,
        cacheConfig: [setting('local', 'size'), setting('redis', 'host')],
      }) ?? '',
      /names 2 caches \(local, redis\), there can be one/,
    );
  });
});
