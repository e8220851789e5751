// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { putElements } from './elements.ts';
import { numbersJson } from './json-writer.ts';
import { BF16, FP16, readReal16, roundReal16 } from './real16.ts';

/** The neighbouring double, away from zero or towards it; `value` is positive. */
function nextDouble(value: number, step: 1n | -1n): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  view.setBigInt64(0, view.getBigInt64(0) + step);
  return view.getFloat64(0);
}

for (const [name, form] of [
  ['FP16', FP16],
  ['BF16', BF16],
] as const) {
  describe(name, () => {
    it('keeps every value', () => {
      for (let bits = 0; bits < 0x10000; bits++) {
        const value = readReal16(form, bits);
        if (Number.isNaN(value))
          assert.ok(Number.isNaN(readReal16(form, roundReal16(form, value))));
        else assert.equal(roundReal16(form, value), bits);
      }
    });

    it('rounds to nearest, ties to even, between each two neighbours', () => {
      for (let bits = 0; Number.isFinite(readReal16(form, bits)); bits++) {
        const low = readReal16(form, bits);
        let high = readReal16(form, bits + 1);
        if (high === Number.POSITIVE_INFINITY) high = 2 * low - readReal16(form, bits - 1);
        const middle = low + (high - low) / 2;
        const even = bits % 2 === 0 ? bits : bits + 1;
        for (const [unit, sign] of [
          [1, 0],
          [-1, 0x8000],
        ] as const) {
          assert.equal(roundReal16(form, unit * middle), sign + even);
          assert.equal(roundReal16(form, unit * nextDouble(middle, -1n)), sign + bits);
          assert.equal(roundReal16(form, unit * nextDouble(middle, 1n)), sign + bits + 1);
        }
      }
    });

    it('overflows to infinity and underflows to zero', () => {
      const infinity = roundReal16(form, Number.POSITIVE_INFINITY);
      for (const large of [1e39, 1e300]) {
        assert.equal(roundReal16(form, large), infinity);
        assert.equal(roundReal16(form, -large), 0x8000 + infinity);
      }
      for (const small of [1e-300, 5e-324, 0]) {
        assert.equal(roundReal16(form, small), 0);
        assert.equal(roundReal16(form, -small), 0x8000);
      }
    });

    it('is written in digits that read back', () => {
      const view = new DataView(new ArrayBuffer(2));
      for (let bits = 0; bits < 0x10000; bits++) {
        view.setUint16(0, bits, true);
        const text = numbersJson(name, new Uint8Array(view.buffer)).slice(1, -1);
        const value = Number(text);
        const read = new DataView(putElements(name, [value]).buffer).getUint16(0, true);
        if (!Number.isNaN(value)) assert.equal(read, bits, text);
        assert.match(text, /^(?:NaN|-?Infinity|-?[\d.]+(?:e[+-]?\d+)?)$/);
      }
    });
  });
}
