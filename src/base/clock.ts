// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/** The source of time of everything that decides. */
export interface Clock {
  /** milliseconds since an arbitrary point; never goes back */
  monotonicMs(): number;
  /** wall time, for log lines and time stamps in answers */
  wall(): Date;
}

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wall: () => new Date(),
};

/** Stands still until told: for tests. */
export class FakeClock implements Clock {
  #nowMs: number;
  readonly #startMs: number;

  constructor(start: Date = new Date(0)) {
    this.#startMs = start.getTime();
    this.#nowMs = 0;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  wall(): Date {
    return new Date(this.#startMs + this.#nowMs);
  }

  advance(ms: number): void {
    this.#nowMs += ms;
  }
}
