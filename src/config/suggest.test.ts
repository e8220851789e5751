// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { didYouMean, didYouMeanEnum } from './suggest.ts';

describe('didYouMean', () => {
  const names = ['name', 'max_batch_size', 'input', 'output', 'max_queue_size'];
  for (const [given, meant] of [
    ['max_batchsize', 'max_batch_size'],
    ['maxBatchSize', 'max_batch_size'],
    ['max_bach_size', 'max_batch_size'],
    ['inputs', 'input'],
    ['max_queue', 'max_queue_size'],
    ['Name', 'name'],
    ['zzz', undefined],
    ['', undefined],
  ] as const)
    it(`finds ${meant ?? 'nothing'} for ${JSON.stringify(given)}`, () =>
      assert.equal(didYouMean(given, names), meant));

  it('does not work on the whole of a very long name', () => {
    assert.equal(didYouMean('x'.repeat(1_000_000), names), undefined);
  });
});

describe('didYouMeanEnum', () => {
  it('finds the value by its last word', () => {
    assert.equal(didYouMeanEnum('fp32', ['TYPE_INT32', 'TYPE_FP32']), 'TYPE_FP32');
    assert.equal(didYouMeanEnum('TYPE_FLOAT32', ['TYPE_INT32', 'TYPE_STRING']), undefined);
  });
});
