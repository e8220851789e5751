// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ServeError } from '../base/status.ts';

/** Hears of a text that has changed; what it throws is a reason to keep what was. */
export type Changed = (text: string) => void;

/**
 * A small file that is read at once and again whenever it changes. Its folder is watched, so that a file that is
 * replaced by another (an editor's, or a Kubernetes secret's, whose links are swapped) is noticed too.
 */
export class WatchedFile implements Disposable {
  readonly text: string;
  readonly #watcher: FSWatcher;
  #last: string;
  #isReading = false;
  #isStale = false;

  /**
   * @param failed hears why a changed file was not taken
   * @throws ServeError InvalidArgument when it cannot be read
   */
  constructor(path: string, changed: Changed, failed: (error: ServeError) => void) {
    try {
      this.text = readFileSync(path, 'utf8');
      const read = (): void => void this.#read(path, changed, failed);
      this.#watcher = watch(dirname(path), { persistent: false }, read);
      // The folder is gone: what was read last stays in force.
      this.#watcher.on('error', (error) => failed(ServeError.from(error)));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new ServeError('InvalidArgument', `cannot read ${path}: ${reason}`, { cause: error });
    }
    this.#last = this.text;
  }

  async #read(path: string, changed: Changed, failed: (error: ServeError) => void): Promise<void> {
    this.#isStale = true;
    if (this.#isReading) return;
    this.#isReading = true;
    while (this.#isStale) {
      this.#isStale = false;
      try {
        const text = await readFile(path, 'utf8');
        if (text === this.#last) continue;
        changed(text);
        this.#last = text;
      } catch (error) {
        failed(ServeError.from(error));
      }
    }
    this.#isReading = false;
  }

  [Symbol.dispose](): void {
    this.#watcher.close();
  }
}
