// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ConfigProblem } from './config-error.ts';
import type { ConfigDataType, ModelConfig, ModelWarmup, WarmupInput } from './model-config.ts';
import { staysInside } from './validate-io.ts';

/** Executions of one sample on one instance; beyond it the number is a slip of the finger. */
const MAX_RUNS = 100_000;
/** Requests of one sample, which all exist at once. */
const MAX_REQUESTS = 65_536;

/** How Triton begins an error about a request that has no id, as those of a warm-up. */
export const UNKNOWN_REQUEST = '[request id: <id_unknown>] ';

/** Checks of warm-up samples that need no file. Texts are Triton's where it has the check. */
export function* warmupProblems(config: ModelConfig): Generator<ConfigProblem> {
  for (const [index, sample] of config.model_warmup.entries()) {
    // Triton skips a sample without requests.
    if (sample.batch_size === 0) continue;
    yield* sampleProblems(config, sample, `model_warmup[${index}]`);
  }
}

function* sampleProblems(
  config: ModelConfig,
  sample: ModelWarmup,
  path: string,
): Generator<ConfigProblem> {
  const inputs = [...sample.inputs];
  for (const [name, input] of inputs)
    if (input.dims.some((dim) => dim < 0n))
      yield load(
        `${path}.inputs["${name}"].dims`,
        `warmup setting expects all variable-size dimensions are specified for input '${name}'`,
      );
  for (const [name, input] of inputs) {
    const at = `${path}.inputs["${name}"]`;
    yield* sourceProblems(config, name, input, at);
    if (isInput(config, name) && input.data_type === 'TYPE_INVALID')
      yield load(at, UNKNOWN_REQUEST + typeProblem(config, name));
  }
  if (sample.batch_size > Math.max(config.max_batch_size, 1)) {
    const instance = `${config.instance_group[0]?.name ?? config.name}_0`;
    yield load(
      `${path}.batch_size`,
      `failed to run warmup sample '${sample.name}': batch size ${sample.batch_size} for '${instance}', ` +
        `max allowed is ${config.max_batch_size}; `,
    );
  }
  if (sample.batch_size > MAX_REQUESTS)
    yield load(
      `${path}.batch_size`,
      `warmup sample '${sample.name}' has ${sample.batch_size} requests, expected at most ${MAX_REQUESTS}`,
    );
  if (sample.count > MAX_RUNS)
    yield load(
      `${path}.count`,
      `warmup sample '${sample.name}' runs ${sample.count} times, expected at most ${MAX_RUNS}`,
    );
}

function* sourceProblems(
  config: ModelConfig,
  name: string,
  input: WarmupInput,
  path: string,
): Generator<ConfigProblem> {
  const file = input.input_data_file;
  if (input.zero_data === undefined && input.random_data === undefined && file === undefined)
    yield load(
      path,
      `${UNKNOWN_REQUEST}warmup setting expects input '${name}' to have input_data_type set`,
    );
  if (file !== undefined && (file === '' || !staysInside(file)))
    yield load(
      `${path}.input_data_file`,
      `warmup file name '${file}' of model ${config.name} names no file of the folder 'warmup'`,
    );
}

function typeProblem(config: ModelConfig, name: string): string {
  const type =
    config.input.find((input) => input.name === name)?.data_type ??
    config.sequence_batching?.state.find(({ input_name }) => input_name === name)?.data_type ??
    controlType(config, name);
  const wire = type === 'TYPE_STRING' ? 'BYTES' : type.slice('TYPE_'.length);
  return `inference input '${name}' data-type is '<invalid>', but model '${config.name}' expects '${wire}'`;
}

function controlType(config: ModelConfig, name: string): ConfigDataType {
  const input = config.sequence_batching?.control_input.find((one) => one.name === name);
  const [control] = input?.control ?? [];
  if (control === undefined) return 'TYPE_INVALID';
  if (control.int32_false_true.length > 0) return 'TYPE_INT32';
  if (control.fp32_false_true.length > 0) return 'TYPE_FP32';
  return control.bool_false_true.length > 0 ? 'TYPE_BOOL' : control.data_type;
}

/** Samples may name tensors that the model does not have; those are no part of its requests. */
export function isInput(config: ModelConfig, name: string): boolean {
  const { control_input = [], state = [] } = config.sequence_batching ?? {};
  return (
    config.input.some((input) => input.name === name) ||
    control_input.some((input) => input.name === name) ||
    state.some(({ input_name }) => input_name === name)
  );
}

function load(path: string, text: string): ConfigProblem {
  return { path, text, phase: 'load' };
}
