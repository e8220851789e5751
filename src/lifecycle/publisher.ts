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
  #hasPublished = false;
  #isHeld = false;

  constructor(engine: Pick<Engine, 'publish'>, table: () => DispatchTable) {
    this.#engine = engine;
    this.#table = table;
  }

  /**
   * Puts off what is to be published until `release`: while nobody can call yet, a table for each of thousands of
   * models is wasted. Once a table was published this does nothing, for builds it names must leave it before they end.
   */
  hold(): void {
    this.#isHeld = !this.#hasPublished;
  }

  release(): void {
    this.#isHeld = false;
  }

  /** Resolves when every I/O thread has a table made after this call; at once where there is none. */
  async publish(): Promise<void> {
    if (this.#isHeld) return;
    await this.#swap();
  }

  #swap(): Promise<void> {
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
    this.#hasPublished = true;
    const swap = this.#engine.publish(this.#table()).finally(() => {
      if (this.#running === swap) this.#running = undefined;
    });
    this.#running = swap;
    return swap;
  }
}
