// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ConfigProblem } from './config-error.ts';
import type { ModelConfig } from './model-config.ts';

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
  const producers = new Map<string, string>();
  const consumed = new Set<string>();
  for (const [index, step] of (config.ensemble_scheduling?.step ?? []).entries()) {
    const path = `ensemble_scheduling.step[${index}]`;
    const where = `in step ${index} of ensemble '${name}'`;
    if (!step.model_name) yield read(path, `must specify 'model_name' ${where}`);
    if (step.input_map.size === 0) yield read(path, `must specify 'input_map' ${where}`);
    if (step.output_map.size === 0) yield read(path, `must specify 'output_map' ${where}`);
    for (const tensor of step.input_map.values()) consumed.add(tensor);
    for (const [output, tensor] of step.output_map) {
      const other = producers.get(tensor);
      if (other !== undefined)
        yield read(
          `${path}.output_map["${output}"]`,
          `ensemble tensor '${tensor}' can appear in an output map only once for ensemble '${name}', ` +
            `${other} writes it already`,
        );
      producers.set(tensor, `step ${index}`);
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
}

function read(path: string, text: string): ConfigProblem {
  return { path, text, phase: 'read' };
}
