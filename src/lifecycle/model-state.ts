// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { DispatchModel } from '../addon/dispatch-table.ts';
import type { ModelPlan } from '../addon/model-plan.ts';
import type { ModelInspection } from '../addon/types.ts';
import { grpcNumber } from '../base/status.ts';
import type { ModelConfig } from '../config/model-config.ts';
import type { Impairment } from './instance-health.ts';

/**
 * States of one version, by Triton's names:
 * - LOADING: being built; no request reaches it.
 * - READY: requests reach it.
 * - UNLOADING: no new request reaches it; those it has still run.
 * - UNAVAILABLE: nothing of it is left; `reason` says why.
 * While a READY version is replaced by a new build of itself it stays READY.
 */
export type VersionStateName = 'LOADING' | 'READY' | 'UNLOADING' | 'UNAVAILABLE';

/** One built version: what native serves under `handle`. */
export interface ServedVersion {
  readonly version: number;
  readonly handle: number;
  readonly config: ModelConfig;
  readonly plan: ModelPlan;
  /** what its model file said; absent where nothing was asked */
  readonly inspection?: ModelInspection | undefined;
  readonly loadSeconds: number;
  /** when it was loaded: milliseconds since the epoch */
  readonly loadedMs: number;
}

/** One row of the repository index. A model never loaded has only a name. */
export interface IndexRow {
  readonly name: string;
  readonly version?: number;
  readonly state?: VersionStateName;
  readonly reason?: string;
}

interface VersionEntry {
  state: VersionStateName;
  reason: string;
  served: ServedVersion | undefined;
}

/** Reason of a version that was taken out on request. */
const UNLOADED_REASON = 'unloaded';

/** Where one model stands. Changes by the verbs below only; does no work itself. */
export class ModelState {
  readonly name: string;
  /** true from the first load asked for until an unload */
  isWanted = false;
  readonly #versions = new Map<number, VersionEntry>();
  #problem = '';
  #isRead = true;

  constructor(name: string) {
    this.name = name;
  }

  /** A load was asked for and its versions are known. */
  beginLoad(versions: readonly number[]): void {
    this.isWanted = true;
    this.#problem = '';
    this.#isRead = true;
    for (const version of versions) {
      const entry = this.#versions.get(version);
      if (entry?.state === 'READY') continue;
      this.#versions.set(version, { state: 'LOADING', reason: '', served: undefined });
    }
  }

  /**
   * The load ended before any version was known.
   * @param isRead its configuration is good: it has no version
   */
  failBeforeVersions(reason: string, isRead = false): void {
    this.isWanted = true;
    this.#problem = reason;
    this.#isRead = isRead;
  }

  /** The load failed. Versions that serve go on serving. */
  failLoad(reasons: ReadonlyMap<number, string>): void {
    for (const [version, entry] of this.#versions) {
      if (entry.state !== 'LOADING') continue;
      entry.state = 'UNAVAILABLE';
      entry.reason = reasons.get(version) ?? UNLOADED_REASON;
    }
  }

  /**
   * The load succeeded: exactly these versions serve from now on.
   * @returns builds that serve no longer, to be destroyed once the table was published
   */
  finishLoad(served: readonly ServedVersion[]): ServedVersion[] {
    const old = this.served();
    const keep = new Set(served.map((one) => one.version));
    for (const [version, entry] of this.#versions) {
      if (keep.has(version)) continue;
      if (entry.state === 'READY') entry.state = 'UNLOADING';
      else if (entry.state === 'LOADING') entry.state = 'UNAVAILABLE';
    }
    for (const one of served) {
      this.#versions.set(one.version, { state: 'READY', reason: '', served: one });
    }
    return old.filter((one) => !served.includes(one));
  }

  /** Builds that serve have another configuration now, each under its handle. */
  adjusted(builds: readonly ServedVersion[]): void {
    for (const one of builds) {
      const entry = this.#versions.get(one.version);
      if (entry?.served?.handle === one.handle) entry.served = one;
    }
  }

  /**
   * The model is still wanted but cannot serve for now.
   * @returns builds that serve no longer, to be destroyed once the table was published
   */
  suspend(): ServedVersion[] {
    const { isWanted } = this;
    const old = this.beginUnload();
    this.isWanted = isWanted;
    return old;
  }

  /** Nothing is known of its versions any more, unless one of them is still there. */
  forget(): void {
    for (const [version, { served }] of this.#versions) {
      if (served === undefined) this.#versions.delete(version);
    }
  }

  /** @returns builds that serve no longer, to be destroyed once the table was published */
  beginUnload(): ServedVersion[] {
    this.isWanted = false;
    this.#problem = '';
    const old = this.served();
    for (const entry of this.#versions.values()) {
      if (entry.state === 'READY') entry.state = 'UNLOADING';
      else if (entry.state === 'UNAVAILABLE') entry.reason = UNLOADED_REASON;
    }
    return old;
  }

  /** A build returned by `finishLoad` or `beginUnload` is gone. */
  destroyed(build: ServedVersion): void {
    const entry = this.#versions.get(build.version);
    if (entry?.served !== build) return;
    entry.served = undefined;
    if (entry.state === 'UNLOADING') {
      entry.state = 'UNAVAILABLE';
      entry.reason = UNLOADED_REASON;
    }
  }

  /** Builds that requests reach, ascending by version. */
  served(): ServedVersion[] {
    const result: ServedVersion[] = [];
    for (const { state, served } of this.#versions.values()) {
      if (state === 'READY' && served !== undefined) result.push(served);
    }
    return result.sort((a, b) => a.version - b.version);
  }

  /** @returns undefined for a version this model never had */
  stateOf(version: number): VersionStateName | undefined {
    return this.#versions.get(version)?.state;
  }

  /** True once a version was known: a model that never got so far is unknown to clients. */
  get hasVersions(): boolean {
    return this.#versions.size > 0;
  }

  /** Nothing could be read of it, and it does not serve. */
  get isPassedOver(): boolean {
    return !this.#isRead && this.served().length === 0;
  }

  /** Nobody asked for it, or it serves a version. */
  get isSatisfied(): boolean {
    return !this.isWanted || this.served().length > 0;
  }

  /** @param impaired builds by handle that do not serve as they should */
  rows(impaired: ReadonlyMap<number, Impairment> = new Map()): IndexRow[] {
    const rows = [...this.#versions]
      .sort(([a], [b]) => a - b)
      .map(([version, entry]): IndexRow => {
        const impairment = impaired.get(entry.served?.handle ?? -1);
        const reason = entry.reason === '' ? impairment?.reason : entry.reason;
        const isOut = entry.state === 'READY' && impairment?.canServe === false;
        return {
          name: this.name,
          version,
          state: isOut ? 'UNAVAILABLE' : entry.state,
          ...(reason === undefined ? {} : { reason }),
        };
      });
    if (rows.length > 0) return rows;
    if (this.#problem === '') return [{ name: this.name }];
    return [{ name: this.name, state: 'UNAVAILABLE', reason: this.#problem }];
  }

  /**
   * The model's part of the dispatch table; undefined while clients cannot know it.
   * @param bound steps of ensembles by handle; an ensemble that is absent does not serve
   */
  dispatch(bound: ReadonlyMap<number, readonly number[]> = new Map()): DispatchModel | undefined {
    if (!this.hasVersions) return undefined;
    return {
      name: this.name,
      versions: [...this.#versions]
        .sort(([a], [b]) => a - b)
        .map(([version, { state, served }]) => {
          const steps = served === undefined ? undefined : bound.get(served.handle);
          const isBound = served?.plan.ensemble === undefined || steps !== undefined;
          if (state !== 'READY' || served === undefined || !isBound) {
            return { version, ready: false };
          }
          return {
            version,
            handle: served.handle,
            ready: true,
            ...(steps === undefined ? {} : { steps }),
          };
        }),
      unavailable: {
        code: grpcNumber('NotFound'),
        message: noVersions(this.name),
      },
    };
  }
}

export const noVersions = (name: string): string =>
  `Request for unknown model: '${name}' has no available versions`;
