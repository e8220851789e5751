// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The name a writer probably meant: the candidate with the fewest edits, if they are few for its length.
 * Case, `_` and `-` do not count, so `maxBatchSize` finds `max_batch_size`.
 * @param given what was written; only its first 64 characters are looked at
 */
export function didYouMean(given: string, candidates: readonly string[]): string | undefined {
  const wanted = plain(given);
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const distance = editDistance(wanted, plain(candidate));
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  const longer = candidates.filter((name) => wanted && plain(name).startsWith(wanted));
  if (longer.length === 1) return longer[0];
  return best !== undefined && bestDistance <= Math.max(1, Math.floor(wanted.length / 3))
    ? best
    : undefined;
}

/** The enum value a writer probably meant; `FP32` finds `TYPE_FP32`. */
export function didYouMeanEnum(given: string, names: readonly string[]): string | undefined {
  const wanted = given.toUpperCase();
  return names.find((name) => name.endsWith(`_${wanted}`)) ?? didYouMean(given, names);
}

function plain(name: string): string {
  return name.slice(0, 64).toLowerCase().replace(/[_-]/g, '');
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
