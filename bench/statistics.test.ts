// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pairedRatio, quantile, spread, unpairedRatio } from './statistics.ts';

describe('spread', () => {
  it('takes the middle of an odd count and the mean of the two middles of an even one', () => {
    assert.deepEqual(spread([3, 1, 2]), { min: 1, median: 2, max: 3 });
    assert.deepEqual(spread([4, 1, 2, 3]), { min: 1, median: 2.5, max: 4 });
  });
});

describe('quantile', () => {
  it('is a value that was seen, the highest for 1 and the lowest for 0', () => {
    const values = Array.from({ length: 100 }, (_, i) => i + 1);
    assert.equal(quantile(values, 0.5), 50);
    assert.equal(quantile(values, 0.99), 99);
    assert.equal(quantile(values, 0), 1);
    assert.equal(quantile(values, 1), 100);
  });
});

describe('pairedRatio', () => {
  it('sees a small change through rounds that differ much', () => {
    const before = [10, 20, 40, 15, 30];
    const { ratio, low, high } = pairedRatio(
      before,
      before.map((value) => value * 0.97),
    );
    for (const value of [ratio, low, high]) assert.ok(Math.abs(value - 0.97) < 1e-9);
  });

  it('contains 1 when rounds point both ways', () => {
    const { low, high } = pairedRatio([10, 10, 10, 10], [11, 9, 10.5, 9.6]);
    assert.ok(low < 1 && high > 1);
  });
});

describe('unpairedRatio', () => {
  it('compares medians and gives the same interval at every call', () => {
    const once = unpairedRatio([10, 11, 12], [5, 5.5, 6]);
    assert.equal(once.ratio, 0.5);
    assert.ok(once.low < 0.5 && once.high > 0.5);
    assert.deepEqual(unpairedRatio([10, 11, 12], [5, 5.5, 6]), once);
  });
});
