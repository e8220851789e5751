// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ModelPlan, TensorPlan } from '../addon/model-plan.ts';
import { invalidArgument, type ServeError } from '../base/status.ts';
import { elementBytes, walkStrings } from './elements.ts';
import { coreError, elementCount, type InferRequest, type InputTensor } from './request.ts';

const BATCH_NOTE =
  'NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to be ' +
  'prepended to each input shape. If you want to specify the full shape including the batch dim ' +
  'in your input dims config, try setting max_batch_size to zero. See the model configuration ' +
  'docs for more info on max_batch_size.';

const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;

/** The names that an error lists are cut here. */
const MAX_NAMED = 32;

/**
 * Holds a request against the model, in the order in which Triton finds errors: outputs, number of inputs, batch, then
 * input by input.
 * @throws ServeError InvalidArgument in Triton's words
 */
export function validate(request: InferRequest, plan: ModelPlan): void {
  const { id, inputs } = request;
  checkOutputs(request, plan);
  const repeated = firstRepeated(inputs);
  if (repeated !== undefined) throw coreError(id, `input '${repeated}' already exists in request`);
  const required = plan.inputs.filter(({ optional }) => !optional).length;
  if (inputs.length > plan.inputs.length || inputs.length < required) {
    throw countError(request, plan);
  }
  if (plan.maxBatchSize > 0) checkBatch(inputs, plan, id);
  for (const input of inputs) {
    const declared = plan.inputs.find(({ name }) => name === input.name);
    if (declared === undefined) {
      throw invalidArgument(`unexpected inference input '${input.name}' for model '${plan.name}'`);
    }
    checkType(input, declared, plan, id);
    checkShape(input, declared, plan, id);
    checkSize(input, plan, id);
  }
  // An optional input may have taken the place of a required one.
  if (missing(request, plan).length > 0) throw countError(request, plan);
}

function checkOutputs({ id, outputs }: InferRequest, plan: ModelPlan): void {
  const seen = new Set<string>();
  for (const { name } of outputs) {
    if (!plan.outputs.some((output) => output.name === name)) {
      throw invalidArgument(`unexpected inference output '${name}' for model '${plan.name}'`);
    }
    if (seen.has(name)) throw coreError(id, `output '${name}' already exists in request`);
    seen.add(name);
  }
}

function firstRepeated(inputs: readonly InputTensor[]): string | undefined {
  const seen = new Set<string>();
  for (const { name } of inputs) {
    if (seen.has(name)) return name;
    seen.add(name);
  }
  return undefined;
}

const missing = (request: InferRequest, plan: ModelPlan): readonly string[] =>
  plan.inputs
    .filter(({ name, optional }) => !optional && !request.inputs.some((one) => one.name === name))
    .map(({ name }) => name);

const nameList = (names: readonly string[]): string =>
  `[${names.map((name) => `'${name}'`).join(',')}]`;

function countError(request: InferRequest, plan: ModelPlan): ServeError {
  const given = request.inputs.slice(0, MAX_NAMED).map(({ name }) => name);
  const absent = missing(request, plan);
  const remedy =
    absent.length === 0
      ? '.'
      : `, but missing required input(s) ${nameList(absent)}. Please provide all required input(s).`;
  const required = plan.inputs.filter(({ optional }) => !optional).length;
  const expected =
    required === plan.inputs.length
      ? `${required} inputs`
      : `number of inputs between ${required} and ${plan.inputs.length}`;
  return coreError(
    request.id,
    `expected ${expected} but got ${request.inputs.length} inputs for model '${plan.name}'. ` +
      `Got input(s) ${nameList(given)}${remedy}`,
  );
}

function checkBatch(inputs: readonly InputTensor[], plan: ModelPlan, id: string): void {
  let batch = 1n;
  for (const [index, { name, shape }] of inputs.entries()) {
    const [first] = shape;
    if (first === undefined) {
      throw coreError(
        id,
        `input '${name}' has no shape but model requires batch dimension for '${plan.name}'`,
      );
    }
    if (index === 0) batch = first;
    if (first === batch) continue;
    throw coreError(
      id,
      `input '${name}' batch size does not match other inputs for '${plan.name}'`,
    );
  }
  const rule = 'inference request batch-size must be';
  const most = plan.maxRequestRows ?? plan.maxBatchSize;
  if (batch > BigInt(most)) throw coreError(id, `${rule} <= ${most} for '${plan.name}'`);
  if (batch < 1n) throw coreError(id, `${rule} >= 1 for '${plan.name}', got ${batch}`);
}

function checkType(input: InputTensor, declared: TensorPlan, plan: ModelPlan, id: string): void {
  if (input.datatype === declared.datatype) return;
  throw coreError(
    id,
    `inference input '${input.name}' data-type is '${input.datatype ?? '<invalid>'}', but model ` +
      `'${plan.name}' expects '${declared.datatype}'`,
  );
}

const shapeText = (shape: readonly (bigint | number)[]): string => `[${shape.join(',')}]`;

function checkShape(input: InputTensor, declared: TensorPlan, plan: ModelPlan, id: string): void {
  const dims = plan.maxBatchSize > 0 ? input.shape.slice(1) : input.shape;
  if (dims.length !== declared.dims.length) throw shapeError(input, declared, plan, id);
  for (const [axis, dim] of dims.entries()) {
    if (dim === -1n) {
      throw coreError(
        id,
        `All input dimensions should be specified for input '${input.name}' for model ` +
          `'${plan.name}', got ${shapeText(input.shape)}`,
      );
    }
    const wanted = declared.dims[axis] ?? 0;
    const fits = wanted < 0 ? dim >= 0n : dim === BigInt(wanted);
    if (!fits) throw shapeError(input, declared, plan, id);
  }
}

function shapeError(
  { name, shape }: InputTensor,
  { dims }: TensorPlan,
  plan: ModelPlan,
  id: string,
): ServeError {
  const isBatched = plan.maxBatchSize > 0;
  return coreError(
    id,
    `unexpected shape for input '${name}' for model '${plan.name}'. Expected ` +
      `${shapeText(isBatched ? [-1, ...dims] : dims)}, got ${shapeText(shape)}. ` +
      (isBatched ? BATCH_NOTE : ''),
  );
}

function checkSize(input: InputTensor, plan: ModelPlan, id: string): void {
  const { name, datatype, shape, data } = input;
  const count = elementCount(shape);
  const expected = count * BigInt(datatype === undefined ? 1 : elementBytes(datatype) || 1);
  if (count > INT64_MAX || expected > UINT64_MAX) {
    throw coreError(
      id,
      `input '${name}' for model '${plan.name}' has shape ${shapeText(shape)}: the number of its ` +
        'elements passes 2^63-1',
    );
  }
  if (datatype === 'BYTES') {
    const where = `inference input '${name}' for model '${plan.name}'`;
    checkStrings(input, count, where, id);
    return;
  }
  if (BigInt(data.length) === expected) return;
  throw coreError(
    id,
    `input byte size mismatch for input '${name}' for model '${plan.name}'. ` +
      `Expected ${expected}, got ${data.length}`,
  );
}

function checkStrings(input: InputTensor, expected: bigint, where: string, id: string): void {
  let count = 0n;
  for (const one of walkStrings(input.data)) {
    if ('problem' in one && one.problem === 'length') {
      throw coreError(
        id,
        `incomplete string length indicator for ${where}, expecting ${one.expected} bytes but ` +
          `only ${one.got} bytes available. Please make sure the string length indicator is in ` +
          'one buffer.',
      );
    }
    if ('problem' in one) {
      throw invalidArgument(
        `incomplete string data for inference input '${input.name}', expecting string of length ` +
          `${one.expected} but only ${one.got} bytes available`,
      );
    }
    count += 1n;
    if (count > expected) {
      throw coreError(
        id,
        `unexpected number of string elements ${count} for ${where}, expecting ${expected}`,
      );
    }
  }
  if (count === expected) return;
  throw coreError(id, `expected ${expected} string elements for ${where}, got ${count}`);
}
