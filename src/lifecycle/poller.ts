// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Log } from '../base/log.ts';
import { ServeError } from '../base/status.ts';
import { listModels } from '../repository/scan.ts';
import type { RepositorySource } from '../repository/source.ts';
import type { ModelLifecycle } from './lifecycle.ts';

/** Polls that a model may be left alone which failed and has not changed since. */
const MOST_SKIPPED = 63;

export interface PollerOptions {
  readonly sources: readonly RepositorySource[];
  readonly lifecycle: Pick<ModelLifecycle, 'load' | 'unload' | 'wanted'>;
  /** between the end of one poll and the start of the next; 0 or less = `poll` alone looks */
  readonly intervalMs: number;
  readonly log: Pick<Log, 'error'>;
}

/** What the last load of a model was asked for with, and how it went. */
interface Seen {
  readonly token: string;
  /** 0 = it serves what the token stands for */
  readonly failures: number;
  /** polls left before it is tried again unchanged */
  skip: number;
}

/**
 * Follows the repositories: loads what was added or changed, unloads what is gone. Changes are told by the fingerprints
 * of the folders, never by the clock. A model that cannot be loaded, as one that is half copied, leaves what serves
 * alone: it is tried again as soon as its folder has changed, and unchanged at the next poll, the second after it, the
 * fourth and so on.
 */
export class RepositoryPoller implements Disposable {
  readonly #options: PollerOptions;
  readonly #seen = new Map<string, Seen>();
  readonly #stopped = new AbortController();
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: PollerOptions) {
    this.#options = options;
  }

  /** Polls from now on. */
  start(): void {
    const { intervalMs } = this.#options;
    if (intervalMs <= 0 || this.#stopped.signal.aborted) return;
    this.#timer = setTimeout(() => void this.poll().then(() => this.start()), intervalMs);
    this.#timer.unref();
  }

  /** Looks once; resolves when everything that was found is loaded or unloaded. A poll under way is joined. */
  poll(): Promise<void> {
    this.#running ??= this.#poll().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** No load begins any more; those that run are the lifecycle's to wait for. */
  [Symbol.dispose](): void {
    this.#stopped.abort();
    clearTimeout(this.#timer);
  }

  async #poll(): Promise<void> {
    const { sources, lifecycle, log } = this.#options;
    const { signal } = this.#stopped;
    try {
      const listed = new Set((await listModels(sources, signal)).map(({ name }) => name));
      const gone = new Set([...this.#seen.keys(), ...lifecycle.wanted()]);
      for (const name of listed) gone.delete(name);
      await Promise.all([
        ...[...listed].map((name) => this.#follow(name)),
        ...[...gone].map((name) => {
          this.#seen.delete(name);
          return lifecycle.unload(name, signal);
        }),
      ]);
    } catch (thrown) {
      // A repository that cannot be read says nothing about its models.
      if (!signal.aborted) {
        log.error(`failed to poll model repository: ${ServeError.from(thrown).message}`);
      }
    }
  }

  async #follow(name: string): Promise<void> {
    const { lifecycle, sources } = this.#options;
    const { signal } = this.#stopped;
    const token = await tokenOf(sources, name, signal);
    const last = this.#seen.get(name);
    const failures = last?.token === token ? last.failures : 0;
    if (last?.token === token && (last.failures === 0 || last.skip-- > 0)) return;
    if (signal.aborted) return;
    try {
      await lifecycle.load(name, { signal });
      this.#seen.set(name, { token, failures: 0, skip: 0 });
    } catch {
      // The lifecycle has said why.
      const skip = Math.min(2 ** failures - 1, MOST_SKIPPED);
      this.#seen.set(name, { token, failures: failures + 1, skip });
    }
  }
}

/** Changes with the folders of that name in any of the repositories. */
async function tokenOf(
  sources: readonly RepositorySource[],
  name: string,
  signal: AbortSignal,
): Promise<string> {
  const prints = sources.map((source) => source.fingerprint(name, signal));
  return (await Promise.all(prints)).map((print) => print ?? '').join(' ');
}
