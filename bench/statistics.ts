// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/** @param sorted ascending; NaN when empty */
export function quantile(sorted: readonly number[], q: number): number {
  const rank = Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1));
  return sorted[rank] ?? Number.NaN;
}

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** The median of an even count is the mean of the two middle values. */
export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  return { min: sorted[0] ?? Number.NaN, median: median(sorted), max: sorted.at(-1) ?? Number.NaN };
}

function median(sorted: readonly number[]): number {
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (lower + upper) / 2;
}

export interface Ratio {
  readonly ratio: number;
  /** 90 % bootstrap interval. */
  readonly low: number;
  readonly high: number;
}

const RESAMPLES = 4000;

/**
 * after/before of rounds that ran side by side: the geometric mean of the rounds' ratios. What a
 * neighbour does to one round it does to both sides, so pairing takes most of it out.
 * @param before same length and order as `after`
 */
export function pairedRatio(before: readonly number[], after: readonly number[]): Ratio {
  const logs = after.map((value, i) => Math.log(value / (before[i] ?? Number.NaN)));
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const random = seeded();
  return interval(Math.exp(mean(logs)), () => Math.exp(mean(resample(logs, random))));
}

/** after/before of two separate runs: the ratio of the medians, each side resampled by itself. */
export function unpairedRatio(before: readonly number[], after: readonly number[]): Ratio {
  const random = seeded();
  const ratio = (a: readonly number[], b: readonly number[]) => spread(b).median / spread(a).median;
  return interval(ratio(before, after), () =>
    ratio(resample(before, random), resample(after, random)),
  );
}

function interval(ratio: number, draw: () => number): Ratio {
  const draws = Array.from({ length: RESAMPLES }, draw).sort((a, b) => a - b);
  return { ratio, low: quantile(draws, 0.05), high: quantile(draws, 0.95) };
}

function resample(values: readonly number[], random: () => number): number[] {
  return values.map(() => values[Math.floor(random() * values.length)] ?? Number.NaN);
}

/** Seeded, so that the same results always give the same interval. */
function seeded(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
