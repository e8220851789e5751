// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { putElements, takeElements } from './elements.ts';
import { numbersJson, realJson } from './json-writer.ts';

describe('realJson', () => {
  it('writes the shortest digits, and a real as a real', () => {
    const cases: readonly [number, boolean, string][] = [
      [0, true, '0.0'],
      [-0, true, '-0.0'],
      [Math.fround(0.1), true, '0.1'],
      [Math.fround(0.1), false, '0.10000000149011612'],
      [16777216, true, '16777216.0'],
      [Math.fround(1e-45), true, '1e-45'],
      [Math.fround(3.4028235e38), true, '3.4028235e+38'],
      [-2, false, '-2.0'],
      [1e300, false, '1e+300'],
      [Number.NaN, true, 'NaN'],
      [Number.POSITIVE_INFINITY, true, 'Infinity'],
      [Number.NEGATIVE_INFINITY, false, '-Infinity'],
    ];
    for (const [value, isFp32, expected] of cases) {
      assert.equal(realJson(value, isFp32), expected, expected);
    }
  });

  it('names each FP32 so that it comes back bit for bit', () => {
    let bits = 0x12345678;
    for (let i = 0; i < 20_000; i += 1) {
      bits = (Math.imul(bits, 1664525) + 1013904223) >>> 0;
      const bytes = new Uint8Array(Uint32Array.of(bits).buffer);
      const [value] = takeElements('FP32', bytes);
      if (!Number.isFinite(value)) continue;
      const back = putElements('FP32', [Number(realJson(Number(value), true))]);
      assert.deepEqual(back, bytes, bits.toString(16));
    }
  });
});

describe('numbersJson', () => {
  it('writes a flat list', () => {
    assert.equal(
      numbersJson('INT64', putElements('INT64', [-1n, 2n ** 62n])),
      '[-1,4611686018427387904]',
    );
    assert.equal(numbersJson('BOOL', Buffer.from([0, 1, 2])), '[false,true,true]');
    assert.equal(numbersJson('UINT8', new Uint8Array(0)), '[]');
  });
});
