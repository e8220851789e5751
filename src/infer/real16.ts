// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { DataType } from '../addon/data-type.ts';

/** How a real of 16 bits is laid out: one bit of sign, then these. */
export interface Real16 {
  readonly exponentBits: number;
  readonly fractionBits: number;
}

export const FP16: Real16 = { exponentBits: 5, fractionBits: 10 };
export const BF16: Real16 = { exponentBits: 8, fractionBits: 7 };

export const isReal16 = (datatype: DataType): datatype is 'FP16' | 'BF16' =>
  datatype === 'FP16' || datatype === 'BF16';

const SIGN = 0x8000;

/** The nearest real of 16 bits, ties to even; what is too large becomes infinite, as in numpy. */
export function roundReal16(form: Real16, value: number): number {
  const { exponentBits, fractionBits } = form;
  const bias = 2 ** (exponentBits - 1) - 1;
  const infinity = (2 ** exponentBits - 1) * 2 ** fractionBits;
  if (Number.isNaN(value)) return infinity + 2 ** (fractionBits - 1);
  const sign = value < 0 || Object.is(value, -0) ? SIGN : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= 2 ** (bias + 1)) return sign + infinity;
  // Exact: a power of two times a number of 53 bits, and nothing here is as small as a subnormal double can be.
  const exponent = Math.max(exponentOf(magnitude), 1 - bias);
  const steps = magnitude * 2 ** (fractionBits - exponent);
  const rounded = roundToEven(steps);
  // Steps count from the exponent's first number, whose own bit adds the last 1 of the exponent.
  return sign + (exponent + bias - 1) * 2 ** fractionBits + rounded;
}

function exponentOf(magnitude: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, magnitude);
  return (view.getUint16(0) >> 4) - 1023;
}

function roundToEven(value: number): number {
  const down = Math.floor(value);
  const rest = value - down;
  if (rest === 0.5) return down + (down % 2);
  return rest > 0.5 ? down + 1 : down;
}

/** The number that the bits stand for. */
export function readReal16({ exponentBits, fractionBits }: Real16, bits: number): number {
  const bias = 2 ** (exponentBits - 1) - 1;
  const unit = bits >= SIGN ? -1 : 1;
  const exponent = (bits % SIGN) >> fractionBits;
  const fraction = bits % 2 ** fractionBits;
  if (exponent === 2 ** exponentBits - 1) {
    return fraction === 0 ? unit * Number.POSITIVE_INFINITY : Number.NaN;
  }
  if (exponent === 0) return unit * fraction * 2 ** (1 - bias - fractionBits);
  return unit * (fraction + 2 ** fractionBits) * 2 ** (exponent - bias - fractionBits);
}
