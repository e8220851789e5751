// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/** A model that may be evicted. */
export interface Resident {
  readonly name: string;
  readonly bytes: number;
  /** what its last load took */
  readonly loadSeconds: number;
  /** since its last request, or since its load */
  readonly idleMs: number;
  /** requests wait for it */
  readonly isBusy: boolean;
}

const SHORTEST_LOAD_SECONDS = 0.001;

/**
 * Chooses what to evict: first what was idle long, is large and quick to load again; what is busy only when nothing
 * else is left. Pure.
 * @param excessBytes to be freed
 * @returns in the order of eviction; undefined when all of them are not enough
 */
export function chooseEvictions(
  residents: readonly Resident[],
  excessBytes: number,
): Resident[] | undefined {
  const order = residents
    .filter(({ bytes }) => bytes > 0)
    .sort((a, b) => Number(a.isBusy) - Number(b.isBusy) || worth(a) - worth(b));
  const chosen: Resident[] = [];
  let left = excessBytes;
  for (const resident of order) {
    if (left <= 0) break;
    chosen.push(resident);
    left -= resident.bytes;
  }
  if (left > 0) return undefined;
  // A small one may have been taken before a large one that is enough alone.
  let spare = -left;
  return chosen.filter(({ bytes }) => {
    if (bytes > spare) return true;
    spare -= bytes;
    return false;
  });
}

/** What staying is worth: seconds to load again for each byte and idle millisecond. */
function worth({ bytes, loadSeconds, idleMs }: Resident): number {
  return Math.max(loadSeconds, SHORTEST_LOAD_SECONDS) / (bytes * (idleMs + 1));
}

/** Names that were evicted again and again within a short time. */
export class ThrashGuard {
  readonly #most: number;
  readonly #windowMs: number;
  readonly #times = new Map<string, number[]>();

  constructor(most: number, windowMs: number) {
    this.#most = most;
    this.#windowMs = windowMs;
  }

  evicted(name: string, nowMs: number): void {
    this.#times.set(name, [...this.#recent(name, nowMs), nowMs]);
  }

  /** True when the model was evicted so often that loading it once more would only evict another. */
  isThrashing(name: string, nowMs: number): boolean {
    return this.#recent(name, nowMs).length >= this.#most;
  }

  #recent(name: string, nowMs: number): number[] {
    const recent = (this.#times.get(name) ?? []).filter((time) => time > nowMs - this.#windowMs);
    if (recent.length === 0) this.#times.delete(name);
    return recent;
  }
}
