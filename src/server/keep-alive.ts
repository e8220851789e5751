// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/** The longest delay a timer takes. */
const FOREVER_MS = 2_147_483_647;

/**
 * Keeps the event loop alive while somebody holds it. The addon's own handles never do, so that a program that has
 * ended its work ends; an open port and a call that is awaited must.
 */
export class KeepAlive {
  #holders = 0;
  #timer: NodeJS.Timeout | undefined;

  hold(): void {
    this.#holders += 1;
    this.#timer ??= setInterval(() => undefined, FOREVER_MS);
  }

  release(): void {
    this.#holders -= 1;
    if (this.#holders > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async during<T>(work: Promise<T>): Promise<T> {
    this.hold();
    try {
      return await work;
    } finally {
      this.release();
    }
  }
}
