// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { invalidArgument, unavailable, unimplemented } from '../base/status.ts';
import type { ServerOptions } from '../config/options.ts';
import type { ModelLifecycle } from '../lifecycle/lifecycle.ts';
import type { IndexRow } from '../lifecycle/model-state.ts';

/** A parameter of a load or unload, as either protocol carries it. */
export type LoadParameter = string | boolean | bigint | Uint8Array;

export interface RepositoryCall {
  readonly repository?: string;
  readonly model: string;
  readonly parameters: ReadonlyMap<string, LoadParameter>;
}

type Lifecycle = Pick<ModelLifecycle, 'load' | 'unload' | 'index'>;

/** The repository verbs of the KServe extension. */
export class RepositoryVerbs {
  readonly #lifecycle: Lifecycle;
  readonly #mode: ServerOptions['modelControlMode'];

  constructor(lifecycle: Lifecycle, mode: ServerOptions['modelControlMode']) {
    this.#lifecycle = lifecycle;
    this.#mode = mode;
  }

  /** @param onlyReady leaves out what does not serve */
  async index(onlyReady: boolean): Promise<IndexRow[]> {
    const rows = await this.#lifecycle.index();
    return onlyReady ? rows.filter((row) => row.state === 'READY') : rows;
  }

  /** @throws ServeError in Triton's words */
  async load(call: RepositoryCall): Promise<void> {
    this.#checkAllowed(call);
    await this.#lifecycle.load(call.model, { config: readLoadParameters(call.parameters) });
  }

  /** @throws ServeError in Triton's words */
  async unload(call: RepositoryCall): Promise<void> {
    this.#checkAllowed(call);
    // `unload_dependents` has no effect: without ensembles no model depends on another.
    await this.#lifecycle.unload(call.model);
  }

  #checkAllowed(call: RepositoryCall): void {
    if (call.repository !== undefined && call.repository !== '') {
      throw unimplemented("'repository_name' specification is not supported");
    }
    if (this.#mode !== 'explicit') {
      throw unavailable('explicit model load / unload is not allowed if polling is enabled');
    }
  }
}

/**
 * Checks the parameters of a load.
 * @returns the configuration that replaces config.pbtxt, if any
 */
function readLoadParameters(parameters: ReadonlyMap<string, LoadParameter>): string | undefined {
  let config: string | undefined;
  let file: string | undefined;
  for (const [key, value] of parameters) {
    if (key === 'config') {
      if (typeof value !== 'string') {
        throw invalidArgument(
          "invalid value type for load parameter 'config', expected string_param.",
        );
      }
      config = value;
    } else if (key.startsWith('file:')) {
      file ??= key;
    } else {
      throw invalidArgument(`unrecognized load parameter '${key}'.`);
    }
  }
  if (file !== undefined && config === undefined) {
    throw invalidArgument("Load parameter 'config' must be specified for model file override");
  }
  if (file !== undefined) {
    throw unimplemented(`'${file}': this server cannot override model files yet`);
  }
  return config;
}
