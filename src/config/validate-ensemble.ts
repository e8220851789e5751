// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ConfigProblem } from './config-error.ts';
import type { EnsembleStep, ModelConfig } from './model-config.ts';

/** Checks of an ensemble that need no other model. Texts are Triton's. */
export function* ensembleProblems(config: ModelConfig): Generator<ConfigProblem> {
  const { name, platform } = config;
  const steps = config.ensemble_scheduling?.step;
  if (!steps) {
    if (platform === 'ensemble')
      yield read(
        'platform',
        `ensemble scheduling must be set for ensemble ${name} whose platform is ensemble`,
      );
    return;
  }
  if (platform !== 'ensemble')
    yield read(
      'ensemble_scheduling',
      `ensemble scheduling cannot be set for model '${name}' whose platform is not ensemble`,
    );
  if (config.instance_group.length > 0)
    yield read('instance_group', `instance group should not be specified for ensemble '${name}'`);
  if (config.optimization)
    yield read('optimization', `optimization should not be specified for ensemble '${name}'`);
  if (config.model_warmup.length > 0)
    yield read('model_warmup', `model_warmup can not be specified for ensemble '${name}'`);
  if (steps.length === 0)
    yield read('ensemble_scheduling', `must specify 'step' for ensemble '${name}'`);
  yield* stepProblems(config);
}

function* stepProblems(config: ModelConfig): Generator<ConfigProblem> {
  const { name } = config;
  const producers = new Map<string, EnsembleStep>();
  const consumed = new Set<string>();
  for (const [index, step] of (config.ensemble_scheduling?.step ?? []).entries()) {
    const path = `ensemble_scheduling.step[${index}]`;
    const where = `in step ${index} of ensemble '${name}'`;
    if (!step.model_name) yield read(path, `must specify 'model_name' ${where}`);
    if (step.input_map.size === 0) yield read(path, `must specify 'input_map' ${where}`);
    if (step.output_map.size === 0) yield read(path, `must specify 'output_map' ${where}`);
    for (const tensor of step.input_map.values()) consumed.add(tensor);
    for (const [output, tensor] of step.output_map) {
      if (producers.has(tensor))
        yield read(
          `${path}.output_map["${output}"]`,
          `ensemble tensor '${tensor}' can appear in an output map only once for ensemble '${name}' step ${index}`,
        );
      producers.set(tensor, step);
    }
  }
  if ((config.ensemble_scheduling?.step.length ?? 0) === 0) return;
  // The stray quote is Triton's.
  for (const [index, input] of config.input.entries())
    if (!consumed.has(input.name))
      yield read(
        `input[${index}]`,
        `ensemble input '${input.name}' for ensemble ${name}' is not used`,
      );
  for (const [index, output] of config.output.entries())
    if (!producers.has(output.name))
      yield read(
        `output[${index}]`,
        `ensemble output '${output.name}' for ensemble ${name}' is not used`,
      );
  yield* flowProblems(config, producers, consumed);
}

/** Every output can be made from the inputs, and everything that is made is used. */
function* flowProblems(
  config: ModelConfig,
  producers: ReadonlyMap<string, EnsembleStep>,
  consumed: ReadonlySet<string>,
): Generator<ConfigProblem> {
  const ready = new Set(config.input.map((input) => input.name));
  const inputs = new Set(ready);
  const isReady = (tensor: string): boolean => ready.has(tensor);
  let known: number;
  do {
    known = ready.size;
    for (const [tensor, step] of producers)
      if ([...step.input_map.values()].every(isReady)) ready.add(tensor);
  } while (ready.size > known);
  for (const [index, output] of config.output.entries()) {
    const step = producers.get(output.name);
    if (step === undefined || ready.has(output.name)) continue;
    const missing = [...step.input_map.values()].find((tensor) => !ready.has(tensor)) ?? '';
    yield read(
      `output[${index}]`,
      `output '${output.name}' for ensemble '${config.name}' is not written: at least one of its depending ` +
        `tensors, '${missing}', is not connected`,
    );
  }
  const outputs = new Set(config.output.map((output) => output.name));
  for (const tensor of producers.keys()) {
    if (!consumed.has(tensor) && !outputs.has(tensor))
      yield read(
        'ensemble_scheduling',
        `ensemble tensor '${tensor}' is unused in ensemble '${config.name}'`,
      );
    if (inputs.has(tensor))
      yield read(
        'ensemble_scheduling',
        `ensemble tensor '${tensor}' is an input of ensemble '${config.name}' and is written by a step`,
      );
  }
}

function read(path: string, text: string): ConfigProblem {
  return { path, text, phase: 'read' };
}
