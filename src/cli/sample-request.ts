// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { DataType } from '../addon/data-type.ts';
import type { ModelPlan, TensorPlan } from '../addon/model-plan.ts';

/** More elements than this make no line that one would paste. */
const MAX_ELEMENTS = 256;

/** A seven of the handwritten digits that scikit-learn bundles: 8 × 8 pixels, sixteenths of full ink. */
const SEVEN = [
  0, 7, 12, 14, 16, 8, 0, 0, 0, 8, 16, 14, 15, 11, 0, 0, 0, 2, 11, 2, 16, 6, 0, 0, 0, 0, 0, 9, 16,
  8, 5, 0, 0, 8, 13, 16, 16, 12, 5, 0, 0, 7, 16, 12, 3, 0, 0, 0, 0, 4, 16, 4, 0, 0, 0, 0, 0, 9, 12,
  0, 0, 0, 0, 0,
];

interface SampleInput {
  readonly name: string;
  readonly shape: readonly number[];
  readonly datatype: DataType;
  readonly data: readonly (number | string | boolean)[];
}

/**
 * A small valid v2 request for a model.
 * @returns JSON, or undefined when the model takes no request that fits on a line
 */
export function sampleRequest(plan: ModelPlan): string | undefined {
  const inputs: SampleInput[] = [];
  for (const input of plan.inputs) {
    if (input.optional) continue;
    const sample = sampleInput(input, plan.maxBatchSize > 0);
    if (sample === undefined) return undefined;
    inputs.push(sample);
  }
  if (plan.name === 'digits') drawSeven(inputs);
  return JSON.stringify({ inputs });
}

function sampleInput(input: TensorPlan, isBatched: boolean): SampleInput | undefined {
  // JSON carries no 16-bit floats.
  if (input.datatype === 'FP16' || input.datatype === 'BF16') return undefined;
  const shape = input.dims.map((dim) => (dim < 0 ? 1 : dim));
  if (isBatched) shape.unshift(1);
  const count = shape.reduce((product, dim) => product * dim, 1);
  if (count > MAX_ELEMENTS) return undefined;
  const data = Array.from({ length: count }, (_, i) => element(input.datatype, i));
  return { name: input.name, shape, datatype: input.datatype, data };
}

function element(datatype: DataType, index: number): number | string | boolean {
  if (datatype === 'BYTES') return String(index);
  if (datatype === 'BOOL') return index % 2 === 1;
  return index % 100;
}

function drawSeven(inputs: SampleInput[]): void {
  const [image, second] = inputs;
  if (image?.datatype !== 'FP32' || image.data.length !== SEVEN.length || second !== undefined)
    return;
  inputs[0] = { ...image, data: SEVEN.map((ink) => Number((ink / 16).toFixed(2))) };
}

/** A word that a POSIX shell takes as it stands. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
