// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { DataType } from '../addon/data-type.ts';
import type { TensorValue } from '../addon/infer-call.ts';
import type { ModelPlan } from '../addon/model-plan.ts';
import { invalidArgument } from '../base/status.ts';
import { type Element, putStrings, takeElements } from './elements.ts';

const UNSUPPORTED: ReadonlySet<DataType> = new Set(['BOOL', 'FP16', 'BF16', 'BYTES']);
const DECIMALS = 6;

/**
 * The `k` largest elements of each row as strings `value:index[:label]`; of equal ones
 * the lower index goes first, and NaN before all.
 * @returns a BYTES tensor of shape [batch,] min(k, elements of a row)
 * @throws ServeError InvalidArgument for a datatype that has no order
 */
export function classify(output: TensorValue, k: number, plan: ModelPlan): TensorValue {
  const { name, datatype, shape } = output;
  if (UNSUPPORTED.has(datatype)) {
    throw invalidArgument(
      `class result not available for output due to unsupported type '${datatype}'`,
    );
  }
  const labels = plan.outputs.find((one) => one.name === name)?.labels ?? [];
  const elements = takeElements(datatype, output.data) as (bigint | number)[];
  const rows = plan.maxBatchSize > 0 ? (shape[0] ?? 1) : 1;
  const width = rows === 0 ? 0 : elements.length / rows;
  const texts: Uint8Array[] = [];
  for (let row = 0; row < rows; row += 1) {
    const scores = elements.slice(row * width, (row + 1) * width);
    texts.push(...best(scores, k, labels).map((text) => Buffer.from(text, 'utf8')));
  }
  const classes = Math.min(k, width);
  return {
    name,
    datatype: 'BYTES',
    shape: plan.maxBatchSize > 0 ? [rows, classes] : [classes],
    data: putStrings(texts),
  };
}

function best(
  scores: readonly (bigint | number)[],
  k: number,
  labels: readonly string[],
): readonly string[] {
  return [...scores.entries()]
    .sort(([, a], [, b]) => compare(a, b))
    .slice(0, k)
    .map(([index, score]) => {
      const label = labels[index] ?? '';
      return `${scoreText(score)}:${index}${label === '' ? '' : `:${label}`}`;
    });
}

// Larger first, NaN before all; the sort is stable.
function compare(a: bigint | number, b: bigint | number): number {
  const nans = Number(Number.isNaN(b)) - Number(Number.isNaN(a));
  if (nans !== 0) return nans;
  return a > b ? -1 : a < b ? 1 : 0;
}

/** As C's `%d` and `%f` print it. */
export function scoreText(score: Element): string {
  if (typeof score !== 'number') return String(score);
  if (Number.isNaN(score)) return 'nan';
  if (!Number.isFinite(score)) return score < 0 ? '-inf' : 'inf';
  const sign = score < 0 || Object.is(score, -0) ? '-' : '';
  const digits = String(roundedTimes(Math.abs(score), 10n ** BigInt(DECIMALS)));
  const padded = digits.padStart(DECIMALS + 1, '0');
  return `${sign}${padded.slice(0, -DECIMALS)}.${padded.slice(-DECIMALS)}`;
}

/** value × factor exactly, then rounded to an integer, halves to even. `toFixed` rounds halves up. */
function roundedTimes(value: number, factor: bigint): bigint {
  const MANTISSA_BITS = 52;
  const BIAS = 1023;
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const exponentBits = Number(bits >> BigInt(MANTISSA_BITS));
  const fraction = BigInt.asUintN(MANTISSA_BITS, bits);
  const mantissa = exponentBits === 0 ? fraction : fraction + 2n ** BigInt(MANTISSA_BITS);
  const exponent = Math.max(exponentBits, 1) - BIAS - MANTISSA_BITS;
  const product = mantissa * factor;
  if (exponent >= 0) return product * 2n ** BigInt(exponent);
  const divisor = 2n ** BigInt(-exponent);
  const whole = product / divisor;
  const twiceRest = (product % divisor) * 2n;
  const isUp = twiceRest > divisor || (twiceRest === divisor && whole % 2n === 1n);
  return isUp ? whole + 1n : whole;
}
