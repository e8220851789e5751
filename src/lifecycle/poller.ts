// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Log } from '../base/log.ts';
import { ServeError } from '../base/status.ts';
import type { ModelLifecycle } from './lifecycle.ts';
import { keyOf, type ModelId, type Namespaces } from './namespaces.ts';

/** Polls that a model may be left alone which failed and has not changed since. */
const MOST_SKIPPED = 63;

export interface PollerOptions {
  readonly namespaces: Pick<Namespaces, 'list' | 'token'>;
  readonly lifecycle: Pick<ModelLifecycle, 'load' | 'unload' | 'wanted'>;
  /** between the end of one poll and the start of the next; 0 or less = `poll` alone looks */
  readonly intervalMs: number;
  readonly log: Pick<Log, 'error' | 'info'>;
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
  /** the last poll could not read a repository */
  #isFailing = false;

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
    const { namespaces, lifecycle, log } = this.#options;
    const { signal } = this.#stopped;
    try {
      const listed = await namespaces.list(signal);
      const keys = new Set(listed.map(keyOf));
      for (const key of this.#seen.keys()) if (!keys.has(key)) this.#seen.delete(key);
      const gone = lifecycle.wanted().filter((id) => !keys.has(keyOf(id)));
      await Promise.all([
        ...listed.map((id) => this.#follow(id)),
        ...gone.map(({ name, namespace }) => lifecycle.unload(name, signal, namespace)),
      ]);
      if (this.#isFailing) log.info('polling the model repository again');
      this.#isFailing = false;
    } catch (thrown) {
      // A repository that cannot be read says nothing about its models.
      if (signal.aborted) return;
      // A store that is away for long is told once; its reasons vary.
      if (!this.#isFailing) {
        log.error(`failed to poll model repository: ${ServeError.from(thrown).message}`);
      }
      this.#isFailing = true;
    }
  }

  async #follow(id: ModelId): Promise<void> {
    const { lifecycle, namespaces } = this.#options;
    const key = keyOf(id);
    const { signal } = this.#stopped;
    const token = await namespaces.token(id, signal);
    const last = this.#seen.get(key);
    const failures = last?.token === token ? last.failures : 0;
    if (last?.token === token && (last.failures === 0 || last.skip-- > 0)) return;
    if (signal.aborted) return;
    try {
      await lifecycle.load(id.name, { namespace: id.namespace, signal });
      this.#seen.set(key, { token, failures: 0, skip: 0 });
    } catch {
      // The lifecycle has said why.
      const skip = Math.min(2 ** failures - 1, MOST_SKIPPED);
      this.#seen.set(key, { token, failures: failures + 1, skip });
    }
  }
}
