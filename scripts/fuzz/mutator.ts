// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/** Numbers that depend on the seed alone (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 … limit - 1 */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * limit);
  }

  pick<T>(from: readonly T[], otherwise: T): T {
    return from[this.below(from.length)] ?? otherwise;
  }
}

const LONGEST = 20_000;

type Mutation = (text: string, random: Random, other: string, words: readonly string[]) => string;

const cut = (text: string, from: number, to: number, between: string): string =>
  text.slice(0, from) + between + text.slice(to);

/** A place between two words, so that what goes there is likely to be read. */
function border(text: string, random: Random): number {
  const from = random.below(text.length + 1);
  const next = text.slice(from).search(/[\s{}[\]:,"]/);
  return next < 0 ? from : from + next;
}

const MUTATIONS: readonly Mutation[] = [
  (text, random, _, words) => {
    const at = border(text, random);
    return cut(text, at, at, ` ${random.pick(words, '')} `);
  },
  (text, random, _, words) => {
    const at = random.below(text.length + 1);
    return cut(text, at, at, random.pick(words, ''));
  },
  (text, random, _, words) => {
    const found = [...text.matchAll(/[\w.+-]+|"[^"]*"/g)];
    const one = found[random.below(found.length)];
    return one === undefined
      ? text
      : cut(text, one.index, one.index + one[0].length, random.pick(words, ''));
  },
  (text, random) => {
    const at = border(text, random);
    return cut(text, at, at + random.below(12), '');
  },
  (text, random) => {
    const at = random.below(text.length + 1);
    return cut(text, at, at + 1, String.fromCharCode(random.below(random.below(4) ? 128 : 65536)));
  },
  (text, random) => text.slice(0, random.below(text.length + 1)),
  (text, random) => {
    const from = border(text, random);
    const piece = text.slice(from, from + random.below(60));
    const at = border(text, random);
    return cut(text, at, at, piece.repeat(1 + random.below(random.below(20) ? 3 : 300)));
  },
  (text, random, other) => {
    const from = border(other, random);
    const at = border(text, random);
    return cut(text, at, at + random.below(20), other.slice(from, from + random.below(200)));
  },
];

/**
 * A text near `text`.
 * @param other another one, from which pieces come
 * @param words what the grammar knows, and what it should not
 */
export function mutate(
  text: string,
  other: string,
  words: readonly string[],
  random: Random,
): string {
  let result = text;
  for (let left = 1 + random.below(4); left > 0; left -= 1) {
    const mutation = random.pick(MUTATIONS, (same: string) => same);
    result = mutation(result, random, other, words).slice(0, LONGEST);
  }
  return result;
}
