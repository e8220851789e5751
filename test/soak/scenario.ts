// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/** What was counted in a run; goes into the dated result as it is. */
export type Figures = Readonly<Record<string, number | string>>;

export interface Effort {
  /** how long what is measured by time goes on; each scenario says what it does without end */
  readonly seconds: number;
  /** how much what is counted does: answers, operations, cycles */
  readonly count: number;
  /** of the numbers that look random */
  readonly seed: number;
  /** takes a line about the progress, now and then */
  readonly log: (line: string) => void;
}

/**
 * A server under a load that goes on, and what must hold of it. The same code is a test of some seconds and a verb of
 * many minutes.
 */
export interface Scenario {
  readonly name: string;
  /** what must hold */
  readonly about: string;
  /** so that it takes some seconds on two cores */
  readonly short: Pick<Effort, 'seconds' | 'count'>;
  /** per minute of a long run */
  readonly perMinute: Pick<Effort, 'count'>;
  /** @throws AssertionError when something did not hold */
  readonly run: (effort: Effort) => Promise<Figures>;
}

/** Numbers that look random and are the same for the same seed. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** @returns an integer from 0 to `below` - 1 */
  roll(below: number): number {
    // mulberry32
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  }

  pick<T>(values: readonly [T, ...T[]]): T {
    return values[this.roll(values.length)] ?? values[0];
  }
}

/** Calls `log` at most every ten seconds. */
export class Progress {
  readonly #log: (line: string) => void;
  #last = Date.now();

  constructor(log: (line: string) => void) {
    this.#log = log;
  }

  tell(line: () => string): void {
    if (Date.now() - this.#last < 10_000) return;
    this.#last = Date.now();
    this.#log(line());
  }
}
