// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0
import type { ModelInspection } from '../addon/types.ts';
import type { ConfigSource, ModelConfig } from './model-config.ts';

/** What the server was started with, as far as a configuration depends on it. */
export interface ServerDefaults {
  /** `--backend-config=default-max-batch-size`; Triton's default is 4 */
  readonly defaultMaxBatchSize: number;
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
 * @throws ServeError InvalidArgument when no backend can be told
 */
export function resolveBackend(
  config: ModelConfig,
  options: Pick<CompleteOptions, 'modelName' | 'versionDirFiles' | 'autoComplete' | 'source'>,
): ModelConfig {
  throw new Error(`not built yet: ${config.name} ${options.modelName}`);
}

/**
 * Auto-completes, normalises and validates: the result is what `/config` prints and what a plan is made from.
 * Calls `resolveBackend` itself; calling it before does no harm.
 * @throws ServeError InvalidArgument, `file:line:column: field path: …` where the source is known
 */
export function completeModelConfig(config: ModelConfig, options: CompleteOptions): ModelConfig {
  throw new Error(`not built yet: ${config.name} ${options.modelName}`);
}
