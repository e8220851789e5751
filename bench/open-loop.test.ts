// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { poissonTimes } from './open-loop.ts';

describe('poissonTimes', () => {
  it('has the rate asked for, ascending, and is the same for a seed', () => {
    const times = poissonTimes(1000, 20, 1);
    assert.ok(Math.abs(times.length - 20_000) < 600, String(times.length));
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    );
    assert.ok((times.at(-1) ?? 0) < 20_000);
    assert.deepEqual(poissonTimes(1000, 20, 1), times);
    assert.notDeepEqual(poissonTimes(1000, 20, 2), times);
  });

  it('has gaps that vary as those of a Poisson process do', () => {
    const times = poissonTimes(1000, 20, 3);
    const gaps = times.map((time, i) => time - (times[i - 1] ?? 0));
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length;
    assert.ok(Math.abs(Math.sqrt(variance) / mean - 1) < 0.05);
  });
});
