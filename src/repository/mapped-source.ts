// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ModelFolder, RepositorySource } from './source.ts';

/** A repository one of whose folders is served under another name than its own. */
export class MappedSource implements RepositorySource {
  readonly #inner: RepositorySource;
  readonly #folder: string;
  readonly #name: string;

  /**
   * @param folder of the repository
   * @param name under which it is served, whatever its configuration calls it
   */
  constructor(inner: RepositorySource, folder: string, name: string) {
    this.#inner = inner;
    this.#folder = folder;
    this.#name = name;
  }

  get location(): string {
    return this.#inner.location;
  }

  async list(signal?: AbortSignal): Promise<string[]> {
    const names = await this.#inner.list(signal);
    return names.map((name) => (name === this.#folder ? this.#name : name)).sort();
  }

  async read(name: string, signal?: AbortSignal): Promise<ModelFolder | undefined> {
    if (name === this.#name) {
      const folder = await this.#inner.read(this.#folder, signal);
      return folder && { ...folder, name, isMapped: true };
    }
    return name === this.#folder ? undefined : this.#inner.read(name, signal);
  }

  async fingerprint(name: string, signal?: AbortSignal): Promise<string | undefined> {
    if (name === this.#name) return this.#inner.fingerprint(this.#folder, signal);
    return name === this.#folder ? undefined : this.#inner.fingerprint(name, signal);
  }
}
