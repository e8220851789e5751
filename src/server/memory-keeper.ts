// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Engine } from '../addon/types.ts';

/** Memory that was not used for this long, and what an unload has left, goes back to the system. */
const INTERVAL_MS = 2000;

/** Gives memory back while the server is idle; native decides whether it is, and does it away from the I/O threads. */
export class MemoryKeeper implements Disposable {
  readonly #timer: NodeJS.Timeout;

  constructor(engine: Pick<Engine, 'trimMemory'>) {
    let isTrimming = false;
    this.#timer = setInterval(() => {
      if (isTrimming) return;
      isTrimming = true;
      engine
        .trimMemory()
        // The engine may have ended meanwhile.
        .catch(() => undefined)
        .finally(() => {
          isTrimming = false;
        });
    }, INTERVAL_MS);
    this.#timer.unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
