// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Engine } from '../addon/types.ts';
import type { Log } from '../base/log.ts';
import { ServeError } from '../base/status.ts';
import type { StagedModel } from '../repository/staging.ts';
import { Semaphore } from './exclusive.ts';
import type { ModelState, ServedVersion } from './model-state.ts';

export interface RetirementOptions {
  readonly engine: Pick<Engine, 'unload'>;
  readonly log: Pick<Log, 'info' | 'error'>;
  /** the state of a model changed */
  readonly changed?: () => void;
}

/** Takes builds apart that serve no longer: each once the last request has left it. */
export class Retirement {
  readonly #options: RetirementOptions;
  // An unload may wait long for its last request, on one of the few threads that also read files and load models.
  readonly #drains = new Semaphore(2);
  readonly #destroying = new Set<Promise<void>>();
  /** by model: when the builds that were last taken out of service are gone */
  readonly #going = new Map<string, Promise<void>>();

  constructor(options: RetirementOptions) {
    this.#options = options;
  }

  /**
   * Waits in the background until the last request left each build.
   * @param staged files of these builds, removed behind them
   */
  retire(
    state: ModelState,
    builds: readonly ServedVersion[],
    staged?: Pick<StagedModel, 'remove'>,
  ): void {
    const { engine, log, changed } = this.#options;
    const all: Promise<void>[] = [];
    for (const build of builds) {
      const gone = this.#drains
        .run(() => engine.unload(build.handle))
        .then(() => {
          state.destroyed(build);
          changed?.();
          log.info(`successfully unloaded '${state.name}' version ${build.version}`);
        })
        .catch((thrown: unknown) => {
          log.error(`failed to unload '${state.name}': ${ServeError.from(thrown).message}`);
        })
        .finally(() => this.#destroying.delete(gone));
      this.#destroying.add(gone);
      all.push(gone);
    }
    const going = Promise.all([this.#going.get(state.name), ...all]).then(() => {
      if (this.#going.get(state.name) === going) this.#going.delete(state.name);
    });
    this.#going.set(state.name, going);
    if (staged === undefined) return;
    const removed = Promise.all(all)
      .then(() => staged.remove())
      .catch((thrown: unknown) => {
        log.error(`files of '${state.name}' stay behind: ${ServeError.from(thrown).message}`);
      })
      .finally(() => this.#destroying.delete(removed));
    this.#destroying.add(removed);
  }

  /** Resolves when nothing is left of the builds of a model that were taken out of service. */
  async gone(name: string): Promise<void> {
    await this.#going.get(name);
  }

  /** Resolves when nothing is left of any build that was handed over. */
  async finished(): Promise<void> {
    await Promise.all(this.#destroying);
  }
}
