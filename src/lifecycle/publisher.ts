// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { DispatchTable } from '../addon/dispatch-table.ts';
import type { Engine } from '../addon/types.ts';

/**
 * Brings the dispatch table to the I/O threads, one swap at a time. Calls that arrive during a swap share the next:
 * a hundred loads that end together cost two swaps.
 */
export class Publisher {
  readonly #engine: Pick<Engine, 'publish'>;
  readonly #table: () => DispatchTable;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(engine: Pick<Engine, 'publish'>, table: () => DispatchTable) {
    this.#engine = engine;
    this.#table = table;
  }

  /** Resolves when every I/O thread has a table made after this call. */
  publish(): Promise<void> {
    if (this.#running === undefined) return this.#start();
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.#start();
      });
    return this.#next;
  }

  #start(): Promise<void> {
    const swap = this.#engine.publish(this.#table()).finally(() => {
      if (this.#running === swap) this.#running = undefined;
    });
    this.#running = swap;
    return swap;
  }
}
