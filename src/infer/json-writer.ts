// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { DataType } from '../addon/types.ts';
import { type Element, takeElements } from './elements.ts';

// Nine significant digits tell any two FP32 apart.
const MAX_FP32_DIGITS = 9;

/** The elements of a tensor as a flat JSON list. NaN and infinities are bare words, as Triton writes them. */
export function numbersJson(datatype: DataType, bytes: Uint8Array): string {
  const texts = takeElements(datatype, bytes).map((element) => elementJson(element, datatype));
  return `[${texts.join(',')}]`;
}

function elementJson(element: Element, datatype: DataType): string {
  if (typeof element !== 'number') return String(element);
  return realJson(element, datatype === 'FP32');
}

/** The shortest digits that name this number among those of its width, never mistaken for an integer. */
export function realJson(value: number, isFp32: boolean): string {
  if (!Number.isFinite(value)) return String(value);
  const text = isFp32 ? fp32Digits(value) : digits(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

const digits = (value: number): string => (Object.is(value, -0) ? '-0' : String(value));

function fp32Digits(value: number): string {
  if (value === 0) return digits(value);
  for (let precision = 1; precision < MAX_FP32_DIGITS; precision += 1) {
    const shorter = Number(value.toPrecision(precision));
    if (Object.is(Math.fround(shorter), value)) return digits(shorter);
  }
  return digits(Number(value.toPrecision(MAX_FP32_DIGITS)));
}
