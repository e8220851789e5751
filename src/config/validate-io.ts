// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ConfigPhase, ConfigProblem } from './config-error.ts';
import { isEnsemble } from './defaults.ts';
import type { ModelConfig, ModelInput, ModelOutput } from './model-config.ts';

/** Checks of inputs, outputs and tensors made from the batch. Texts are Triton's; each ends in ` for <model>`. */
export function* ioProblems(config: ModelConfig, phase: ConfigPhase): Generator<ConfigProblem> {
  const found = new Found(config.name, phase);
  for (const [index, input] of config.input.entries()) {
    const path = `input[${index}]`;
    yield* tensorProblems(config, input, path, 'input', found);
    if (input.format !== 'FORMAT_NONE' && input.dims.length !== 3)
      yield found.problem(`${path}.dims`, 'model input NHWC/NCHW require 3 dims');
    yield* tensorRtOnly(config, input, path, found);
  }
  for (const [index, output] of config.output.entries()) {
    const path = `output[${index}]`;
    yield* tensorProblems(config, output, path, 'output', found);
    yield* tensorRtOnly(config, output, path, found);
    if (!staysInside(output.label_filename))
      yield found.problem(
        `${path}.label_filename`,
        `label file path '${output.label_filename}' of model output '${output.name}' is outside model directory`,
      );
  }
  yield* duplicates('input', config.input, found);
  yield* duplicates('output', config.output, found);
  if (!isEnsemble(config)) yield* batchTensorProblems(config, found);
}

/** Makes problems of one phase for one model. */
class Found {
  readonly #model: string;
  readonly #phase: ConfigPhase;

  constructor(model: string, phase: ConfigPhase) {
    this.#model = model;
    this.#phase = phase;
  }

  problem(path: string, text: string): ConfigProblem {
    return { path, text: `${text} for ${this.#model}`, phase: this.#phase };
  }
}

function* tensorProblems(
  config: ModelConfig,
  tensor: ModelInput | ModelOutput,
  path: string,
  kind: 'input' | 'output',
  found: Found,
): Generator<ConfigProblem> {
  const prefix = `model ${kind} `;
  if (!tensor.name) {
    yield found.problem(path, `${prefix}must specify 'name'`);
    return;
  }
  const named = `${prefix}'${tensor.name}' `;
  if (tensor.data_type === 'TYPE_INVALID')
    yield found.problem(path, `${named}must specify 'data_type'`);
  if (tensor.dims.length === 0) {
    yield found.problem(path, `${named}must specify 'dims'`);
    return;
  }
  const wrong = tensor.dims.findIndex((dim) => dim < 1n && dim !== -1n);
  if (wrong >= 0)
    yield found.problem(
      `${path}.dims[${wrong}]`,
      `${named}dimension must be integer >= 1, or -1 to indicate a variable-size dimension`,
    );
  else if (tensor.reshape) {
    const text = reshapeProblem(tensor.dims, tensor.reshape.shape, config.max_batch_size > 0);
    if (text) yield found.problem(`${path}.reshape`, named + text);
  }
}

function reshapeProblem(
  dims: readonly bigint[],
  shape: readonly bigint[],
  batches: boolean,
): string | undefined {
  if (shape.length === 0 && !batches)
    return 'cannot have empty reshape for non-batching model as scalar tensors are not supported';
  if (shape.some((dim) => dim < 1n && dim !== -1n))
    return 'reshape dimensions must be integer >= 1, or -1 to indicate a variable-size dimension';
  const from = runs(dims);
  const to = runs(shape);
  // Both sides must be fixed or both variable; between free dimensions the number of elements must stay.
  const differ = 'has different size for dims and reshape';
  if (from.length > 1 !== to.length > 1) return differ;
  if (from.length !== to.length)
    return 'has different number of variable-size dimensions for dims and reshape';
  return from.every((count, i) => count === to[i]) ? undefined : differ;
}

/** Elements between the free dimensions: [2,4,-1,6] → [8,6]. */
function runs(shape: readonly bigint[]): bigint[] {
  const counts = [1n];
  for (const dim of shape) {
    if (dim === -1n) counts.push(1n);
    else counts.push((counts.pop() ?? 1n) * dim);
  }
  return counts;
}

function* tensorRtOnly(
  config: ModelConfig,
  tensor: ModelInput | ModelOutput,
  path: string,
  found: Found,
): Generator<ConfigProblem> {
  if (config.platform === 'tensorrt_plan') return;
  if (tensor.is_shape_tensor)
    yield found.problem(
      `${path}.is_shape_tensor`,
      'shape tensors are only supported for TensorRT platform',
    );
  if (tensor.is_non_linear_format_io)
    yield found.problem(
      `${path}.is_non_linear_format_io`,
      'Non-linear IO format is only supported for the TensorRT platform',
    );
}

function* duplicates(
  kind: 'input' | 'output',
  tensors: readonly (ModelInput | ModelOutput)[],
  found: Found,
): Generator<ConfigProblem> {
  const first = new Map<string, number>();
  for (const [index, { name }] of tensors.entries()) {
    const earlier = first.get(name);
    if (name && earlier !== undefined)
      yield found.problem(
        `${kind}[${index}].name`,
        `model ${kind} '${name}' is specified more than once, first as ${kind}[${earlier}]`,
      );
    else first.set(name, index);
  }
}

function* batchTensorProblems(config: ModelConfig, found: Found): Generator<ConfigProblem> {
  const inputs = new Set(config.input.map(({ name }) => name));
  const outputs = new Set(config.output.map(({ name }) => name));
  for (const [index, tensor] of config.batch_input.entries()) {
    const path = `batch_input[${index}]`;
    if (tensor.data_type !== 'TYPE_INT32' && tensor.data_type !== 'TYPE_FP32')
      yield found.problem(
        `${path}.data_type`,
        'batch input data type must be TYPE_INT32 or TYPE_FP32',
      );
    yield* sourceProblems('input', tensor.kind, tensor.source_input, inputs, path, found);
  }
  const targets = new Set<string>();
  for (const [index, tensor] of config.batch_output.entries()) {
    const path = `batch_output[${index}]`;
    for (const name of tensor.target_name) {
      if (!outputs.has(name)) yield found.problem(path, `unknown target output name '${name}'`);
      if (targets.has(name))
        yield found.problem(path, `target output name '${name}' can only be specified once`);
      targets.add(name);
    }
    yield* sourceProblems('output', tensor.kind, tensor.source_input, inputs, path, found);
  }
}

function* sourceProblems(
  direction: 'input' | 'output',
  kind: string,
  sources: readonly string[],
  inputs: ReadonlySet<string>,
  path: string,
  found: Found,
): Generator<ConfigProblem> {
  if (sources.length !== 1)
    yield found.problem(
      path,
      `batch ${direction} kind '${kind}' expects 1 source input, got ${sources.length}`,
    );
  for (const name of sources)
    if (!inputs.has(name))
      yield found.problem(`${path}.source_input`, `unknown source input name '${name}'`);
}

/** True for a file name that cannot lead out of the folder it is meant for. */
export function staysInside(file: string): boolean {
  return !file.startsWith('/') && !file.split('/').includes('..');
}
