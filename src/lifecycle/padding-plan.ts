// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { PaddingPlan, TensorPlan } from '../addon/model-plan.ts';
import { invalidArgument } from '../base/status.ts';
import type { ConfigDataType, ModelConfig, ModelInput } from '../config/model-config.ts';

const INPUT = 'pad_input.';
const OUTPUT = 'pad_output.';
const MAX_BUCKETS = 64;
const MAX_WASTE_PERCENT = 50;

/** Whole numbers that each type holds, at both ends; a type that is not listed holds any number. */
const RANGES: Partial<Readonly<Record<ConfigDataType, readonly [number, number]>>> = {
  TYPE_BOOL: [0, 1],
  TYPE_UINT8: [0, 255],
  TYPE_UINT16: [0, 65_535],
  TYPE_UINT32: [0, 4_294_967_295],
  TYPE_UINT64: [0, Number.MAX_SAFE_INTEGER],
  TYPE_INT8: [-128, 127],
  TYPE_INT16: [-32_768, 32_767],
  TYPE_INT32: [-2_147_483_648, 2_147_483_647],
  TYPE_INT64: [-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
};

/**
 * What `parameters["pad_input.NAME"]` say, by input, e.g. `buckets=16,32,64 value=1`.
 * @throws ServeError InvalidArgument for a word or value that is none
 * @see docs/shapes.md#padded-batches
 */
export function paddedInputs(config: ModelConfig): Map<string, Pick<TensorPlan, 'padding'>> {
  const found = new Map<string, Pick<TensorPlan, 'padding'>>();
  for (const [key, { string_value }] of config.parameters) {
    if (!key.startsWith(INPUT)) continue;
    const input = config.input.find(({ name }) => name === key.slice(INPUT.length));
    if (input === undefined) throw wrong(key, 'the name of an input', key.slice(INPUT.length));
    if (config.ensemble_scheduling) throw wrong(key, 'a model that is no ensemble');
    if (config.sequence_batching) throw wrong(key, "a model without 'sequence_batching'");
    if (input.allow_ragged_batch) throw wrong(key, "an input without 'allow_ragged_batch'");
    found.set(input.name, { padding: paddingOf(key, string_value, input) });
  }
  return found;
}

/**
 * Which outputs carry a padded dimension: as `parameters["pad_output.NAME"]` say, e.g. `axis=1 input=IDS` or `none`;
 * else an output with a free dimension at the axis of a padded input carries that of the first such input.
 * @throws ServeError InvalidArgument for a word or value that is none
 */
export function unpaddedOutputs(
  config: ModelConfig,
  padded: ReadonlyMap<string, Pick<TensorPlan, 'padding'>>,
): Map<string, Pick<TensorPlan, 'unpadding'>> {
  const found = new Map<string, Pick<TensorPlan, 'unpadding'>>();
  for (const key of config.parameters.keys())
    if (
      key.startsWith(OUTPUT) &&
      !config.output.some(({ name }) => name === key.slice(OUTPUT.length))
    )
      throw wrong(key, 'the name of an output', key.slice(OUTPUT.length));
    else if (key.startsWith(OUTPUT) && padded.size === 0)
      throw wrong(key, "a model with 'pad_input.…', whose outputs are cut back");
  if (padded.size === 0) return found;
  const axisOf = (name: string): number | undefined => padded.get(name)?.padding?.axis;
  for (const { name, dims } of config.output) {
    const key = `${OUTPUT}${name}`;
    const text = config.parameters.get(key)?.string_value;
    if (text === 'none') continue;
    const words =
      text === undefined ? new Map<string, string>() : wordsOf(key, text, ['axis', 'input']);
    const source =
      words.get('input') ??
      config.input.find((input) => {
        const axis = axisOf(input.name);
        return axis !== undefined && (text !== undefined || dims[axis] === -1n);
      })?.name;
    if (source === undefined) continue;
    const sourceAxis = axisOf(source);
    if (sourceAxis === undefined) throw wrong(key, 'a padded input', source);
    const axis = words.has('axis') ? toAxis(key, words.get('axis'), dims) : sourceAxis;
    if (dims[axis] !== -1n) throw wrong(key, 'a free dimension of the output', String(axis));
    const input = config.input.findIndex((one) => one.name === source);
    found.set(name, { unpadding: { axis, input } });
  }
  return found;
}

function paddingOf(key: string, text: string, input: ModelInput): PaddingPlan {
  const words = wordsOf(key, text, ['axis', 'buckets', 'value', 'max_waste']);
  const free = input.dims.flatMap((dim, i) => (dim === -1n ? [i] : []));
  const [only] = free;
  if (!words.has('axis') && (only === undefined || free.length > 1))
    throw wrong(key, `'axis=…' for an input with ${free.length} free dimensions`);
  const axis = words.has('axis') ? toAxis(key, words.get('axis'), input.dims) : (only ?? 0);
  if (input.dims[axis] !== -1n) throw wrong(key, 'a free dimension of the input', String(axis));
  return {
    axis,
    buckets: bucketsOf(key, words.get('buckets')),
    value: fillOf(key, words.get('value'), input.data_type),
    maxWastePercent: wasteOf(key, words.get('max_waste')),
  };
}

/** `axis=0 buckets=8,16` → the two. */
function wordsOf(key: string, text: string, known: readonly string[]): Map<string, string> {
  const words = new Map<string, string>();
  for (const word of text.split(/[\s;]+/).filter(Boolean)) {
    const [name = '', value] = word.split('=', 2);
    if (!known.includes(name) || !value || words.has(name))
      throw wrong(key, `${known.map((one) => `'${one}=…'`).join(', ')}, each once`, word);
    words.set(name, value);
  }
  return words;
}

function toAxis(key: string, text: string | undefined, dims: readonly bigint[]): number {
  const axis = Number(text);
  if (/^\d+$/.test(text ?? '') && axis < dims.length) return axis;
  throw wrong(key, `an axis from 0 to ${dims.length - 1}, without the rows`, text);
}

/** `16,32,64`, or `8..512` for the powers of two between, each end one. */
function bucketsOf(key: string, text: string | undefined): number[] {
  const sizes = "'buckets=16,32,64' or 'buckets=8..512' (doubling)";
  const [, low, high] = /^(\d+)\.\.(\d+)$/.exec(text ?? '') ?? [];
  const listed = low === undefined ? (text ?? '').split(',') : doubling(Number(low), Number(high));
  const buckets = [...new Set(listed.map(Number))].sort((a, b) => a - b);
  if (
    buckets.length === 0 ||
    buckets.length > MAX_BUCKETS ||
    !buckets.every((size) => Number.isSafeInteger(size) && size >= 1)
  )
    throw wrong(key, `${sizes}, at most ${MAX_BUCKETS} sizes above 0`, text);
  return buckets;
}

function doubling(low: number, high: number): number[] {
  const sizes: number[] = [];
  if (low < 1 || low > high) return sizes;
  for (let size = low; size < high && sizes.length < MAX_BUCKETS; size *= 2) sizes.push(size);
  return [...sizes, high];
}

function fillOf(key: string, text: string | undefined, type: ConfigDataType): number {
  if (text === undefined) return 0;
  const value = Number(text);
  const range = RANGES[type];
  if (type === 'TYPE_STRING') throw wrong(key, "no 'value': added strings are empty", text);
  if (!Number.isFinite(value)) throw wrong(key, 'a number', text);
  if (range !== undefined && (!Number.isInteger(value) || value < range[0] || value > range[1]))
    throw wrong(key, `a whole number from ${range[0]} to ${range[1]}`, text);
  return value;
}

function wasteOf(key: string, text: string | undefined): number {
  if (text === undefined) return MAX_WASTE_PERCENT;
  const percent = Number(text);
  if (Number.isInteger(percent) && percent >= 1 && percent <= 99) return percent;
  throw wrong(key, "'max_waste=…' of 1 to 99 percent", text);
}

function wrong(key: string, expected: string, got?: string): Error {
  const end = got === undefined ? '' : `, got '${got}'`;
  return invalidArgument(`parameters["${key}"]: expected ${expected}${end}`);
}
