// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { InspectedTensor, ModelInspection } from '../addon/types.ts';
import { configDataType } from './autofill.ts';
import type { ConfigProblem } from './config-error.ts';
import type { ModelConfig, ModelInput, ModelOutput } from './model-config.ts';
import { didYouMean } from './suggest.ts';

/**
 * Compares the inputs and outputs of a configuration with those of the model file, with the words of Triton's ONNX
 * Runtime backend. Yields nothing when they agree.
 */
export function* modelFileProblems(
  config: ModelConfig,
  inspection: ModelInspection,
): Generator<ConfigProblem> {
  yield* countProblems(config, inspection);
  yield* batchInputProblems(config, inspection.inputs);
  for (const [index, input] of config.input.entries())
    yield* tensorProblems(config, input, `input[${index}]`, 'input', inspection.inputs);
  for (const [index, output] of config.output.entries())
    yield* tensorProblems(config, output, `output[${index}]`, 'output', inspection.outputs);
}

function* countProblems(
  config: ModelConfig,
  inspection: ModelInspection,
): Generator<ConfigProblem> {
  const made = config.batch_input.flatMap(({ target_name }) => target_name);
  const expected = config.input.filter((input) => !input.optional).length + made.length;
  const provided = inspection.inputs.length;
  if (expected === provided || config.sequence_batching) return;
  const named = new Set([...config.input.map(({ name }) => name), ...made]);
  const missing = inspection.inputs
    .filter(({ name }) => !named.has(name))
    .map(({ name }) => `'${name}'`);
  yield load(
    'input',
    `unable to load model '${config.name}', configuration expects ${expected} inputs, model provides ${provided}` +
      (missing.length > 0 ? `; the configuration does not name ${missing.join(', ')}` : ''),
  );
}

/** Tensors that are made from the batch are inputs of the model file. */
function* batchInputProblems(
  config: ModelConfig,
  provided: readonly InspectedTensor[],
): Generator<ConfigProblem> {
  for (const [index, { target_name, data_type }] of config.batch_input.entries())
    for (const name of target_name) {
      const inFile = provided.find((input) => input.name === name);
      const path = `batch_input[${index}]`;
      if (!inFile) {
        yield load(`${path}.target_name`, unexpected('input', name, provided));
        continue;
      }
      const datatype = configDataType(inFile.datatype);
      if (datatype !== data_type)
        yield load(
          `${path}.data_type`,
          `unable to load model '${config.name}', configuration expects datatype ${data_type} for input '${name}', ` +
            `model provides ${datatype}`,
        );
    }
}

function* tensorProblems(
  config: ModelConfig,
  declared: ModelInput | ModelOutput,
  path: string,
  kind: 'input' | 'output',
  provided: readonly InspectedTensor[],
): Generator<ConfigProblem> {
  const inFile = provided.find(({ name }) => name === declared.name);
  if (!inFile) {
    yield load(`${path}.name`, unexpected(kind, declared.name, provided));
    return;
  }
  const datatype = configDataType(inFile.datatype);
  if (declared.data_type !== datatype)
    yield load(
      `${path}.data_type`,
      `unable to load model '${config.name}', configuration expects datatype ${declared.data_type} for ${kind} ` +
        `'${declared.name}', model provides ${datatype}`,
    );
  const ragged = 'allow_ragged_batch' in declared && declared.allow_ragged_batch;
  if (ragged) yield* raggedProblems(config, declared, path, inFile.shape);
  const scattered = config.batch_output.some(({ target_name }) =>
    target_name.includes(declared.name),
  );
  if (!ragged && !scattered) yield* shapeProblems(config, declared, path, kind, inFile.shape);
}

/** The model gets the elements of all requests in one dimension. */
function* raggedProblems(
  config: ModelConfig,
  input: ModelInput,
  path: string,
  shape: readonly number[],
): Generator<ConfigProblem> {
  const begin = `unable to load model '${config.name}', configuration expects model provides input with shape [-1]`;
  if (input.optional)
    yield load(
      `${path}.allow_ragged_batch`,
      `${begin} for ragged input '${input.name}', which is not supported for optional input`,
    );
  else if (shape.length !== 1 || shape[0] !== -1)
    yield load(
      `${path}.allow_ragged_batch`,
      `${begin}  for ragged input '${input.name}', model provides ${shapeText(shape.map(BigInt))}`,
    );
}

function unexpected(kind: string, name: string, provided: readonly InspectedTensor[]): string {
  const allowed = provided.map((tensor) => tensor.name);
  const meant = didYouMean(name, allowed);
  return (
    `unexpected inference ${kind} '${name}', allowed ${kind}s are: ${[...allowed].sort().join(', ')}` +
    (meant ? `; did you mean '${meant}'?` : '')
  );
}

function* shapeProblems(
  config: ModelConfig,
  declared: ModelInput | ModelOutput,
  path: string,
  kind: 'input' | 'output',
  shape: readonly number[],
): Generator<ConfigProblem> {
  const model = shape.map(BigInt);
  const dims = declared.reshape?.shape ?? declared.dims;
  const where = `model '${config.name}', tensor '${declared.name}': `;
  const batches = config.max_batch_size > 0;
  if (batches && model[0] !== -1n) {
    yield load(
      `${path}.dims`,
      `${where}for the model to support batching the shape should have at least 1 dimension and the first ` +
        `dimension must be -1; but shape expected by the model is ${shapeText(model)}`,
    );
    return;
  }
  // A scalar of the model is one element in the configuration.
  if (!batches && model.length === 0 && dims.every((dim) => dim === 1n)) return;
  const full = batches ? [-1n, ...dims] : dims;
  if (agree(model, full, kind === 'output')) return;
  const complete = batches
    ? '(an initial batch dimension because max_batch_size > 0 followed by the explicit tensor shape, making ' +
      `complete shape ${shapeText(full)})`
    : `(shape ${shapeText(full)})`;
  yield load(
    `${path}.${declared.reshape ? 'reshape' : 'dims'}`,
    `${where}the model expects ${model.length} dimensions (shape ${shapeText(model)}) but the model configuration ` +
      `specifies ${full.length} dimensions ${complete}`,
  );
}

/** @param exact false: a free dimension of the model takes any size the configuration promises to send */
function agree(model: readonly bigint[], full: readonly bigint[], exact: boolean): boolean {
  return (
    model.length === full.length &&
    model.every((dim, i) => dim === full[i] || (!exact && dim === -1n))
  );
}

/** `[-1,64]` */
export function shapeText(shape: readonly bigint[]): string {
  return `[${shape.join(',')}]`;
}

function load(path: string, text: string): ConfigProblem {
  return { path, text, phase: 'load' };
}
