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
  for (const [index, input] of config.input.entries())
    yield* tensorProblems(config, input, `input[${index}]`, 'input', inspection.inputs);
  for (const [index, output] of config.output.entries())
    yield* tensorProblems(config, output, `output[${index}]`, 'output', inspection.outputs);
}

function* countProblems(
  config: ModelConfig,
  inspection: ModelInspection,
): Generator<ConfigProblem> {
  const expected =
    config.input.filter((input) => !input.optional).length + config.batch_input.length;
  const provided = inspection.inputs.length;
  if (expected === provided || config.sequence_batching) return;
  const missing = inspection.inputs
    .filter(({ name }) => !config.input.some((input) => input.name === name))
    .map(({ name }) => `'${name}'`);
  yield load(
    'input',
    `unable to load model '${config.name}', configuration expects ${expected} inputs, model provides ${provided}` +
      (missing.length > 0 ? `; the configuration does not name ${missing.join(', ')}` : ''),
  );
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
  const scattered = config.batch_output.some(({ target_name }) =>
    target_name.includes(declared.name),
  );
  if (!ragged && !scattered) yield* shapeProblems(config, declared, path, kind, inFile.shape);
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
