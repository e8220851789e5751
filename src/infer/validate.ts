// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ModelPlan, TensorPlan } from '../addon/types.ts';
import { invalidArgument, type ServeError } from '../base/status.ts';
import { elementBytes, walkStrings } from './elements.ts';
import { coreError, elementCount, type InferRequest, type InputTensor } from './request.ts';

const BATCH_NOTE =
  'NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to be ' +
  'prepended to each input shape. If you want to specify the full shape including the batch dim ' +
  'in your input dims config, try setting max_batch_size to zero. See the model configuration ' +
  'docs for more info on max_batch_size.';

/** The names that an error lists are cut here. */
const MAX_NAMED = 32;

/** An input that the model has, and how the model declares it. */
interface BoundInput {
  readonly input: InputTensor;
  readonly declared: TensorPlan;
}

/**
 * Holds a request against the model, in the order in which Triton finds errors.
 * @throws ServeError InvalidArgument in Triton's words
 */
export function validate(request: InferRequest, plan: ModelPlan): void {
  const { id } = request;
  for (const { name } of request.outputs) {
    if (plan.outputs.some((output) => output.name === name)) continue;
    throw invalidArgument(`unexpected inference output '${name}' for model '${plan.name}'`);
  }
  const inputs = bind(request, plan);
  const batch = checkBatch(inputs, plan, id);
  for (const one of inputs) {
    checkType(one, plan, id);
    checkShape(one, plan, id);
    checkSize(one, plan, batch, id);
  }
}

function bind(request: InferRequest, plan: ModelPlan): readonly BoundInput[] {
  const required = plan.inputs.filter(({ optional }) => !optional);
  const isCountWrong =
    request.inputs.length > plan.inputs.length || request.inputs.length < required.length;
  if (isCountWrong) throw countError(request, plan);
  const bound = request.inputs.map((input) => {
    const declared = plan.inputs.find(({ name }) => name === input.name);
    if (declared !== undefined) return { input, declared };
    throw invalidArgument(`unexpected inference input '${input.name}' for model '${plan.name}'`);
  });
  if (missing(request, plan).length > 0) throw countError(request, plan);
  return bound;
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
  return coreError(
    request.id,
    `expected ${plan.inputs.length} inputs but got ${request.inputs.length} inputs for model ` +
      `'${plan.name}'. Got input(s) ${nameList(given)}${remedy}`,
  );
}

/**
 * @returns the batch size; 0 when the model has none, or the request asks for none
 */
function checkBatch(inputs: readonly BoundInput[], plan: ModelPlan, id: string): bigint {
  if (plan.maxBatchSize === 0) return 0n;
  let batch: bigint | undefined;
  // Triton's map of inputs hands out the newest first: the older one is named as the one that differs.
  for (const { input } of inputs.toReversed()) {
    const [first] = input.shape;
    if (first === undefined) {
      throw coreError(
        id,
        `input '${input.name}' has no shape but model requires batch dimension for '${plan.name}'`,
      );
    }
    batch ??= first;
    if (first === batch) continue;
    throw coreError(
      id,
      `input '${input.name}' batch size does not match other inputs for '${plan.name}'`,
    );
  }
  if (batch !== undefined && batch > BigInt(plan.maxBatchSize)) {
    throw coreError(
      id,
      `inference request batch-size must be <= ${plan.maxBatchSize} for '${plan.name}'`,
    );
  }
  return batch ?? 0n;
}

function checkType({ input, declared }: BoundInput, plan: ModelPlan, id: string): void {
  if (input.datatype === declared.datatype) return;
  throw coreError(
    id,
    `inference input '${input.name}' data-type is '${input.datatype ?? '<invalid>'}', but model ` +
      `'${plan.name}' expects '${declared.datatype}'`,
  );
}

const shapeText = (shape: readonly (bigint | number)[]): string => `[${shape.join(',')}]`;

function checkShape({ input, declared }: BoundInput, plan: ModelPlan, id: string): void {
  const isBatched = plan.maxBatchSize > 0;
  const dims = isBatched ? input.shape.slice(1) : input.shape;
  let isAsDeclared = dims.length === declared.dims.length;
  for (const [axis, dim] of isAsDeclared ? dims.entries() : []) {
    if (dim === -1n) {
      throw coreError(
        id,
        `All input dimensions should be specified for input '${input.name}' for model ` +
          `'${plan.name}', got ${shapeText(input.shape)}`,
      );
    }
    const wanted = declared.dims[axis] ?? 0;
    isAsDeclared = wanted < 0 ? dim >= 0n : dim === BigInt(wanted);
    if (!isAsDeclared) break;
  }
  if (isAsDeclared) return;
  const expected = isBatched ? [-1, ...declared.dims] : declared.dims;
  throw coreError(
    id,
    `unexpected shape for input '${input.name}' for model '${plan.name}'. Expected ` +
      `${shapeText(expected)}, got ${shapeText(input.shape)}. ${isBatched ? BATCH_NOTE : ''}`,
  );
}

/** Elements that Triton expects: it keeps the batch size in 32 bits, and takes 0 for "no batch dimension". */
function expectedCount(input: InputTensor, plan: ModelPlan, batch: bigint): bigint {
  if (plan.maxBatchSize === 0) return elementCount(input.shape);
  const rest = elementCount(input.shape.slice(1));
  return batch === 0n ? rest : BigInt.asUintN(32, batch) * rest;
}

function checkSize({ input }: BoundInput, plan: ModelPlan, batch: bigint, id: string): void {
  const count = expectedCount(input, plan, batch);
  const where = `inference input '${input.name}' for model '${plan.name}'`;
  if (input.datatype === 'BYTES') {
    checkStrings(input, count, where, id);
    return;
  }
  const exact = count * BigInt(input.datatype === undefined ? 1 : elementBytes(input.datatype));
  // Triton's product wraps at 64 bits.
  const expected = BigInt.asIntN(64, exact);
  const got = BigInt(input.data.length);
  if (exact === got) return;
  if (expected === got) {
    throw coreError(
      id,
      `input '${input.name}' for model '${plan.name}' has shape ${shapeText(input.shape)}: the ` +
        'number of its elements passes 2^63-1',
    );
  }
  throw coreError(
    id,
    `input byte size mismatch for input '${input.name}' for model '${plan.name}'. ` +
      `Expected ${expected}, got ${got}`,
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
