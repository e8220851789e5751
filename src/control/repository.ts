// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import {
  internal,
  invalidArgument,
  ServeError,
  unavailable,
  unimplemented,
} from '../base/status.ts';
import type { ServerOptions } from '../config/server-options.ts';
import type { LoadOptions, ModelLifecycle } from '../lifecycle/lifecycle.ts';
import { failedToPoll } from '../lifecycle/load-failure.ts';
import type { IndexRow } from '../lifecycle/model-state.ts';
import { readOverrideKeys } from '../repository/override-files.ts';

/** A parameter of a load or unload, as either protocol carries it; undefined when it carries no value. */
export type LoadParameter = string | boolean | bigint | Uint8Array | undefined;

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
    await this.#lifecycle.load(call.model, readLoadParameters(call));
  }

  /** @throws ServeError in Triton's words */
  async unload(call: RepositoryCall): Promise<void> {
    this.#checkAllowed(call);
    const dependents = call.parameters.get('unload_dependents') ?? false;
    if (typeof dependents !== 'boolean') {
      throw invalidArgument(
        "invalid value type for 'unload_dependents' parameter, expected bool_param.",
      );
    }
    await this.#lifecycle.unload(call.model, undefined, undefined, dependents);
  }

  #checkAllowed(call: RepositoryCall): void {
    if (call.repository !== undefined && call.repository !== '') {
      throw unimplemented("'repository_name' specification is not supported");
    }
    if (this.#mode !== 'explicit' && this.#mode !== 'on-demand') {
      throw unavailable('explicit model load / unload is not allowed if polling is enabled');
    }
  }
}

/**
 * Checks the parameters of a load.
 * @returns the configuration that replaces config.pbtxt and the files that replace the folder, if any
 */
function readLoadParameters({ model, parameters }: RepositoryCall): LoadOptions {
  let config: string | undefined;
  const files = new Map<string, Uint8Array>();
  for (const [key, value] of parameters) {
    if (key === 'config') {
      if (typeof value !== 'string') throw wrongType(key, 'string_param');
      config = value;
    } else if (key.startsWith('file:')) {
      if (!(value instanceof Uint8Array)) throw wrongType(key, 'bytes_param');
      files.set(key, value);
    } else {
      throw invalidArgument(`unrecognized load parameter '${key}'.`);
    }
  }
  if (files.size === 0) return { config };
  if (config === undefined) {
    throw invalidArgument("Load parameter 'config' must be specified for model file override");
  }
  try {
    return { config, files: readOverrideKeys(files) };
  } catch (thrown) {
    // Triton refuses keys that climb in these words.
    throw internal(`${failedToPoll(model)}: ${ServeError.from(thrown).message}`, thrown);
  }
}

const wrongType = (key: string, expected: string): ServeError =>
  invalidArgument(`invalid value type for load parameter '${key}', expected ${expected}.`);
