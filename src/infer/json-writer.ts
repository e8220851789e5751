// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { DataType } from '../addon/data-type.ts';
import { type Element, takeElements } from './elements.ts';
import { BF16, FP16, isReal16, readReal16, roundReal16 } from './real16.ts';

// Nine significant digits tell any two FP32 apart.
const MAX_FP32_DIGITS = 9;
const MAX_REAL16_DIGITS = 5;

/** The elements of a tensor as a flat JSON list. NaN and infinities are bare words, as Triton writes them. */
export function numbersJson(datatype: DataType, bytes: Uint8Array): string {
  return `[${numberTexts(datatype, bytes).join(',')}]`;
}

/** The same, element by element. */
export function numberTexts(datatype: DataType, bytes: Uint8Array): string[] {
  return takeElements(datatype, bytes).map((element) => elementJson(element, datatype));
}

function elementJson(element: Element, datatype: DataType): string {
  if (typeof element !== 'number') return String(element);
  if (isReal16(datatype)) return real16Json(element, datatype);
  return realJson(element, datatype === 'FP32');
}

/** The fewest digits that read back as the same number of 16 bits. */
function real16Json(value: number, datatype: 'FP16' | 'BF16'): string {
  if (!Number.isFinite(value) || value === 0) return realJson(value, false);
  const form = datatype === 'FP16' ? FP16 : BF16;
  for (let precision = 1; precision < MAX_REAL16_DIGITS; precision += 1) {
    const shorter = Number(value.toPrecision(precision));
    if (readReal16(form, roundReal16(form, shorter)) === value) return realJson(shorter, false);
  }
  return realJson(Number(value.toPrecision(MAX_REAL16_DIGITS)), false);
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
