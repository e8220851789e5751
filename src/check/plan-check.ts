// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ModelPlan } from '../addon/model-plan.ts';
import { ServeError } from '../base/status.ts';
import type { ModelConfig } from '../config/model-config.ts';
import { makeEnsemblePlan } from '../lifecycle/ensemble-plan.ts';
import { readInitialStates } from '../lifecycle/initial-states.ts';
import { loadParameters } from '../lifecycle/load-parameters.ts';
import { paddedInputs, unpaddedOutputs } from '../lifecycle/padding-plan.ts';
import { makePlan, type PlanDefaults, type PlanFiles } from '../lifecycle/plan.ts';
import { maxRequestRows } from '../lifecycle/split-plan.ts';
import type { ModelFolder } from '../repository/source.ts';
import type { TextProblem } from './config-text.ts';

/** Everything that reads our own `parameters`. Each stops at the first that is wrong. */
const READERS: readonly ((config: ModelConfig) => unknown)[] = [
  loadParameters,
  maxRequestRows,
  (config) => unpaddedOutputs(config, paddedInputs(config)),
  (config) => makeEnsemblePlan(config, 0),
];

/** What is wrong with our own settings under `parameters`; one that is wrong is left out, and the rest checked. */
export function parameterProblems(config: ModelConfig): TextProblem[] {
  return READERS.flatMap((read) => {
    const problems: TextProblem[] = [];
    const parameters = new Map(config.parameters);
    for (;;) {
      const message = failureOf(() => read({ ...config, parameters }));
      const field = [...parameters.keys()].map(fieldOf).find((one) => message?.startsWith(one));
      if (message === undefined || field === undefined) return problems;
      problems.push({ code: 'invalid-config', field, message: message.slice(field.length + 2) });
      for (const key of parameters.keys()) if (fieldOf(key) === field) parameters.delete(key);
    }
  });
}

const fieldOf = (key: string): string => `parameters["${key}"]`;

/** The field that a sentence about a build is about; empty where it names none. */
export function fieldIn(message: string, config: ModelConfig): string {
  const [, key = ''] = /parameter '([^']*)'/.exec(message) ?? [];
  if (config.parameters.has(key)) return fieldOf(key);
  if (/^\[request id|warmup sample/.test(message)) return 'model_warmup';
  const [, kind, name] = /\b(input|output) '([^']*)' of model/.exec(message) ?? [];
  if (kind !== 'input' && kind !== 'output') return '';
  const index = config[kind].findIndex((tensor) => tensor.name === name);
  return index < 0 ? '' : `${kind}[${index}]`;
}

/** Files that states begin with: each that cannot be read. */
export async function initialStateProblems(
  config: ModelConfig,
  folder: ModelFolder,
): Promise<TextProblem[]> {
  const batching = config.sequence_batching;
  const problems: TextProblem[] = [];
  for (const [index, state] of (batching?.state ?? []).entries()) {
    if (batching === undefined) continue;
    const alone = { ...config, sequence_batching: { ...batching, state: [state] } };
    try {
      await readInitialStates(alone, folder);
    } catch (thrown) {
      problems.push({
        code: 'invalid-config',
        field: `sequence_batching.state[${index}].initial_state[0].data_file`,
        message: ServeError.from(thrown).message.trim(),
      });
    }
  }
  return problems;
}

/**
 * What only shows when the plan is made, such as a dimension that no tensor can have.
 * @returns the plan, or the problem
 */
export function planOrProblem(
  config: ModelConfig,
  files: PlanFiles,
  defaults: PlanDefaults,
): { readonly plan: ModelPlan } | { readonly problem: TextProblem } {
  try {
    return { plan: makePlan(config, files, defaults) };
  } catch (thrown) {
    const message = ServeError.from(thrown).message.trim();
    return { problem: { code: 'invalid-config', field: placeOf(message), message } };
  }
}

/** Sentences that name a tensor or a state are about what it is declared as. */
function placeOf(message: string): string {
  const [, field = ''] = /\((instance_group\.rate_limiter)\)/.exec(message) ?? [];
  if (field !== '') return field;
  return message.startsWith('initial_state') ? 'sequence_batching.state.initial_state' : '';
}

function failureOf(read: () => unknown): string | undefined {
  try {
    read();
    return undefined;
  } catch (thrown) {
    return ServeError.from(thrown).message;
  }
}
