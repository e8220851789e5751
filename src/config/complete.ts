// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ModelInspection } from '../addon/types.ts';
import { autofill } from './autofill.ts';
import { fillBackend } from './backend-name.ts';
import type { ConfigProblem } from './config-error.ts';
import { isEnsemble, normalizeConfig } from './defaults.ts';
import type { ConfigSource, ModelConfig } from './model-config.ts';
import { modelFileProblems } from './model-file.ts';
import { configError } from './read.ts';
import { configProblems } from './validate.ts';

/** What the server was started with and found, as far as a configuration depends on it. */
export interface ServerDefaults {
  /** `--backend-config=default-max-batch-size`; default 4, as Triton's */
  readonly defaultMaxBatchSize?: number | undefined;
  /** ordinals of the GPUs that may be used; default none */
  readonly gpus?: readonly number[] | undefined;
}

/** What is known of a model besides its configuration. */
export interface CompleteOptions {
  /** name of the model's directory */
  readonly modelName: string;
  /** names in the lowest version directory; empty when there is none */
  readonly versionDirFiles: readonly string[];
  /** what the backend read from the model file; absent when there is no file to read */
  readonly inspection?: ModelInspection | undefined;
  /** false under `--disable-auto-complete-config` */
  readonly autoComplete: boolean;
  readonly serverDefaults?: ServerDefaults | undefined;
  /** the text `config` came from, so that errors carry line and column */
  readonly source?: ConfigSource | undefined;
}

/**
 * First half of auto-completion: fills `name`, `backend`, `platform` and `default_model_filename` from the model's
 * name and the files of a version, so that the loader knows which file to have inspected by which backend.
 * @throws ConfigError when no backend can be told
 */
export function resolveBackend(
  config: ModelConfig,
  options: Pick<CompleteOptions, 'modelName' | 'versionDirFiles' | 'source'>,
): ModelConfig {
  return unlessProblem(fillBackend(config, options), options.source);
}

/**
 * Auto-completes, normalises and validates: the result is what `/config` prints and what a plan is made from.
 * Calls `resolveBackend` itself; calling it before does no harm.
 * @throws ConfigError for the first problem, `file:line:column: field path: …` where the source is known
 */
export function completeModelConfig(config: ModelConfig, options: CompleteOptions): ModelConfig {
  const complete = fillIn(config, options);
  for (const problem of problemsOf(complete, options)) throw configError(problem, options.source);
  return complete;
}

/** A configuration as far as it can be completed, and everything wrong with it. */
export interface CheckedConfig {
  readonly config: ModelConfig;
  /** in the order in which `completeModelConfig` would throw them */
  readonly problems: readonly CheckedProblem[];
}

export interface CheckedProblem extends ConfigProblem {
  /** which step found it: auto-completion, the rules of configurations, or the comparison with the model file */
  readonly from: 'backend' | 'rules' | 'model-file';
}

/** As {@link completeModelConfig}, but goes on after a problem: for `nereid check`. */
export function checkModelConfig(config: ModelConfig, options: CompleteOptions): CheckedConfig {
  const problems: CheckedProblem[] = [];
  const orTold = (
    from: CheckedProblem['from'],
    result: ModelConfig | ConfigProblem,
    otherwise: ModelConfig,
  ): ModelConfig => {
    if (!('phase' in result)) return result;
    problems.push({ ...result, from });
    return otherwise;
  };
  const named = { ...config, name: config.name || options.modelName };
  const resolved = orTold('backend', fillBackend(config, options), named);
  const isResolved = problems.length === 0;
  const filled = orTold('model-file', autoFilled(resolved, options), resolved);
  const { inspection, serverDefaults } = options;
  const complete = normalizeConfig(filled, serverDefaults?.gpus ?? []);
  for (const problem of rulesBroken(complete, options)) {
    // What follows from an unknown backend is said with it.
    if (isResolved || !/^(backend|platform)$/.test(problem.path))
      problems.push({ ...problem, from: 'rules' });
  }
  if (inspection && problems.every(({ from }) => from === 'rules'))
    for (const problem of modelFileProblems(complete, inspection))
      if (!problems.some((told) => impliesMismatch(told, problem.path)))
        problems.push({ ...problem, from: 'model-file' });
  return { config: complete, problems };
}

/** Whether a field of a tensor breaks a rule, so that it cannot agree with the model file either. */
function impliesMismatch({ path, text }: ConfigProblem, field: string): boolean {
  const [, missing] = /must specify '(\w+)'/.exec(text) ?? [];
  return field.includes('[') && (path.startsWith(field) || `${path}.${missing}` === field);
}

function fillIn(config: ModelConfig, options: CompleteOptions): ModelConfig {
  const resolved = resolveBackend(config, options);
  const filled = unlessProblem(autoFilled(resolved, options), options.source);
  return normalizeConfig(filled, options.serverDefaults?.gpus ?? []);
}

function autoFilled(
  resolved: ModelConfig,
  { inspection, autoComplete, serverDefaults }: CompleteOptions,
): ModelConfig | ConfigProblem {
  return autoComplete && inspection && !isEnsemble(resolved)
    ? autofill(resolved, inspection, serverDefaults?.defaultMaxBatchSize ?? 4)
    : resolved;
}

function* problemsOf(config: ModelConfig, options: CompleteOptions): Generator<ConfigProblem> {
  yield* rulesBroken(config, options);
  if (options.inspection) yield* modelFileProblems(config, options.inspection);
}

function rulesBroken(config: ModelConfig, options: CompleteOptions): Generator<ConfigProblem> {
  return configProblems(config, {
    modelName: options.modelName,
    gpus: options.serverDefaults?.gpus ?? [],
    ioPhase: options.autoComplete ? 'load' : 'read',
  });
}

function unlessProblem(
  result: ModelConfig | ConfigProblem,
  source: ConfigSource | undefined,
): ModelConfig {
  if ('phase' in result) throw configError(result, source);
  return result;
}
