// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ModelStatistics } from '../addon/snapshot.ts';
import { abortable, sleep } from '../base/abort.ts';
import type { Log } from '../base/log.ts';
import { ServeError, unavailable } from '../base/status.ts';
import { checkModelName } from '../repository/scan.ts';
import { Exclusive } from './exclusive.ts';
import type { ModelLifecycle } from './lifecycle.ts';
import type { Namespaces } from './namespaces.ts';
import { chooseEvictions, type Resident, ThrashGuard } from './residency.ts';

const MIB = 1024 * 1024;
/** A model that is evicted so often within that time is not loaded until some of it has passed. */
const MOST_EVICTIONS = 3;
const THRASH_WINDOW_MS = 60_000;
/** After a load that failed: twice as long each time, unless the folder changes. */
const FIRST_REFUSAL_MS = 1000;
const LONGEST_REFUSAL_MS = 60_000;
/** What an eviction waits for the last requests of the evicted. */
const LAST_REQUESTS_MS = 30_000;

export interface OnDemandOptions {
  readonly lifecycle: Pick<
    ModelLifecycle,
    'load' | 'unload' | 'gone' | 'served' | 'allServed' | 'waive'
  >;
  readonly namespaces: Pick<Namespaces, 'token' | 'read'>;
  /** never evicted */
  readonly pinned: readonly string[];
  /** memory that loaded models may take together; 0 = no bound */
  readonly budgetBytes: number;
  /** calls that may wait for models, and what they may hold together */
  readonly maxWaiting: number;
  readonly maxWaitingBytes: number;
  readonly fullStatus: 'Unavailable' | 'ResourceExhausted';
  readonly statistics: () => readonly Pick<
    ModelStatistics,
    'name' | 'lastInferenceMs' | 'pending'
  >[];
  /** memory of the process that models may have */
  readonly memoryBytes: () => number;
  readonly now: () => number;
  readonly log: Pick<Log, 'info'>;
}

interface Failure {
  readonly token: string;
  readonly count: number;
  readonly untilMs: number;
  readonly error: ServeError;
}

/**
 * Loads models when they are asked for, once for everybody who asks meanwhile, and evicts others when a budget would
 * be passed. A model costs what the process grew by when it was loaded, and at least its files.
 */
export class OnDemand {
  readonly #options: OnDemandOptions;
  readonly #pinned: ReadonlySet<string>;
  readonly #loading = new Map<string, Promise<void>>();
  readonly #turns = new Exclusive();
  readonly #costs = new Map<string, number>();
  readonly #failures = new Map<string, Failure>();
  readonly #thrash = new ThrashGuard(MOST_EVICTIONS, THRASH_WINDOW_MS);
  #waiting = 0;
  #waitingBytes = 0;

  constructor(options: OnDemandOptions) {
    this.#options = options;
    this.#pinned = new Set(options.pinned);
  }

  /**
   * Resolves when the model serves.
   * @param bytes what the call holds meanwhile
   * @param left aborted when nobody waits for the answer any more: the call counts no longer, the load goes on
   * @throws ServeError NotFound for a model that no repository holds; Unavailable, or as `fullStatus` says when too
   *   many wait
   */
  async demand(name: string, bytes = 0, left?: AbortSignal): Promise<void> {
    const { maxWaiting, maxWaitingBytes, fullStatus } = this.#options;
    if (this.#waiting >= maxWaiting || this.#waitingBytes + bytes > maxWaitingBytes) {
      throw new ServeError(fullStatus, 'Exceeds maximum queue size');
    }
    this.#waiting += 1;
    this.#waitingBytes += bytes;
    try {
      await abortable(this.#loading.get(name) ?? this.#begin(name), left);
    } finally {
      this.#waiting -= 1;
      this.#waitingBytes -= bytes;
    }
  }

  #begin(name: string): Promise<void> {
    const load = this.#load(name).finally(() => this.#loading.delete(name));
    this.#loading.set(name, load);
    return load;
  }

  async #load(name: string): Promise<void> {
    const { namespaces, budgetBytes, now } = this.#options;
    checkModelName(name);
    const token = await namespaces.token({ name, namespace: '' });
    if (token.trim() === '') {
      throw new ServeError('NotFound', `Request for unknown model: '${name}' is not found`);
    }
    const failure = this.#failures.get(name);
    if (failure?.token === token && now() < failure.untilMs) throw failure.error;
    if (budgetBytes === 0) return this.#attempt(name, token, failure);
    // One at a time, so that what memory grows by is this model's.
    await this.#turns.run('', () => this.#fit(name, () => this.#attempt(name, token, failure)));
  }

  async #attempt(name: string, token: string, last: Failure | undefined): Promise<void> {
    const { lifecycle, now } = this.#options;
    try {
      await lifecycle.load(name);
      this.#failures.delete(name);
    } catch (thrown) {
      const error = unavailable(ServeError.from(thrown).message.trimEnd());
      const count = last?.token === token ? last.count + 1 : 1;
      const refusalMs = Math.min(FIRST_REFUSAL_MS * 2 ** (count - 1), LONGEST_REFUSAL_MS);
      this.#failures.set(name, { token, count, untilMs: now() + refusalMs, error });
      // Whoever asks for a broken model must not take the server out of service.
      await lifecycle.waive(name);
      throw error;
    }
  }

  async #fit(name: string, load: () => Promise<void>): Promise<void> {
    const { lifecycle, memoryBytes, now } = this.#options;
    if (lifecycle.served(name).length > 0) return;
    if (this.#thrash.isThrashing(name, now())) {
      throw unavailable(
        `model '${name}' was evicted ${MOST_EVICTIONS} times within ${THRASH_WINDOW_MS / 1000} s: ` +
          `the models in use do not fit into ${this.#budget} together, retry later`,
      );
    }
    const known = await this.#cost(name);
    await this.#makeRoom(name, known);
    const before = memoryBytes();
    await load();
    const cost = Math.max(memoryBytes() - before, known);
    this.#costs.set(name, cost);
    try {
      await this.#makeRoom(name, cost);
    } catch (thrown) {
      await this.#evict(name);
      throw thrown;
    }
  }

  /** What a model took when it was last loaded; undefined = it was not. */
  loadedBytes(name: string): number | undefined {
    return this.#costs.get(name);
  }

  get #budget(): string {
    return `--on-demand-memory-mb=${Math.round(this.#options.budgetBytes / MIB)}`;
  }

  /** What a model took when it was loaded; before that, its files. */
  async #cost(name: string): Promise<number> {
    const known = this.#costs.get(name);
    if (known !== undefined) return known;
    const folder = await this.#options.namespaces
      .read({ name, namespace: '' })
      .catch(() => undefined);
    return folder?.bytes ?? 0;
  }

  /** Evicts until a model of `bytes` fits beside what else serves. */
  async #makeRoom(name: string, bytes: number): Promise<void> {
    const { budgetBytes, log } = this.#options;
    const others = await this.#others(name);
    const taken = others.reduce((sum, other) => sum + other.bytes, bytes);
    if (taken <= budgetBytes) return;
    const evictable = others.filter((other) => !this.#pinned.has(other.name));
    const chosen = chooseEvictions(evictable, taken - budgetBytes);
    if (chosen === undefined) {
      const pinned = taken - bytes - evictable.reduce((sum, other) => sum + other.bytes, 0);
      throw unavailable(
        `model '${name}' needs ${inMib(bytes)}, which ${this.#budget} has no room for` +
          (pinned > 0 ? ` beside ${inMib(pinned)} of pinned models` : ''),
      );
    }
    for (const { name: victim, bytes: freed, idleMs } of chosen) {
      const idle = Math.round(idleMs / 1000);
      log.info(`evicting '${victim}' (${inMib(freed)}, idle for ${idle} s) for '${name}'`);
      await this.#evict(victim);
    }
  }

  async #evict(name: string): Promise<void> {
    const { lifecycle, now } = this.#options;
    this.#thrash.evicted(name, now());
    await lifecycle.unload(name);
    const giveUp = new AbortController();
    const late = sleep(LAST_REQUESTS_MS, giveUp.signal).catch(() => undefined);
    await Promise.race([lifecycle.gone(name), late]);
    giveUp.abort();
  }

  async #others(name: string): Promise<Resident[]> {
    const { lifecycle, statistics, now } = this.#options;
    const residents = new Map<string, Resident>();
    const nowMs = now();
    for (const { plan, loadSeconds, loadedMs } of lifecycle.allServed()) {
      if (plan.name === name) continue;
      const before = residents.get(plan.name);
      residents.set(plan.name, {
        name: plan.name,
        bytes: before?.bytes ?? (await this.#cost(plan.name)),
        loadSeconds: loadSeconds + (before?.loadSeconds ?? 0),
        idleMs: Math.min(before?.idleMs ?? Number.POSITIVE_INFINITY, nowMs - loadedMs),
        isBusy: false,
      });
    }
    for (const { name: used, lastInferenceMs, pending } of statistics()) {
      const resident = residents.get(used);
      if (resident === undefined) continue;
      const idleMs = Math.max(0, Math.min(resident.idleMs, nowMs - Number(lastInferenceMs)));
      residents.set(used, { ...resident, idleMs, isBusy: resident.isBusy || pending > 0n });
    }
    return [...residents.values()];
  }
}

const inMib = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`;
