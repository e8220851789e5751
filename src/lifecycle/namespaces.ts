// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { invalidArgument, type ServeError, type StatusCode } from '../base/status.ts';
import { listModels, readModel } from '../repository/scan.ts';
import type { ModelFolder, RepositorySource } from '../repository/source.ts';

/** What stands for one model, whatever serves under its name besides. */
export interface ModelId {
  readonly name: string;
  /** location of its repository with `--model-namespacing`; else empty: the name alone stands for it */
  readonly namespace: string;
}

/** One text for each identifier; the name without namespaces. */
export const keyOf = ({ name, namespace }: ModelId): string =>
  namespace === '' ? name : `${namespace}::${name}`;

/** Triton's refusal of a name that several repositories serve. */
export const ambiguous = (name: string, count: number): ServeError =>
  invalidArgument(
    `There are ${count} identifiers of model '${name}' in global map, ` +
      'model namespace must be provided to resolve ambiguity.',
  );

/** Finds models in repositories: each name once, or once for each repository. */
export class Namespaces {
  readonly #sources: readonly RepositorySource[];
  readonly isOn: boolean;

  constructor(sources: readonly RepositorySource[], isOn: boolean) {
    this.#sources = sources;
    this.isOn = isOn;
  }

  /** What a request for a model that is not known is answered with. */
  get unknownCode(): StatusCode {
    return this.isOn ? 'InvalidArgument' : 'NotFound';
  }

  /** Every model of the repositories, by name. */
  async list(signal?: AbortSignal): Promise<(ModelId & { readonly isDuplicate: boolean })[]> {
    if (!this.isOn) {
      const listed = await listModels(this.#sources, signal);
      return listed.map((model) => ({ ...model, namespace: '' }));
    }
    const lists = await Promise.all(this.#sources.map((source) => this.#listOne(source, signal)));
    return lists.flat().sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  }

  /** What a name stands for; never empty: a name that no repository holds stands for itself. */
  async identify(name: string): Promise<readonly [ModelId, ...ModelId[]]> {
    const unknown = { name, namespace: '' };
    if (!this.isOn) return [unknown];
    const prints = await Promise.all(this.#sources.map((source) => source.fingerprint(name)));
    const [first, ...more] = this.#sources
      .filter((_, i) => prints[i] !== undefined)
      .map(({ location }) => ({ name, namespace: location }));
    return first === undefined ? [unknown] : [first, ...more];
  }

  /** @throws ServeError as `readModel` does */
  async read({ name, namespace }: ModelId): Promise<ModelFolder> {
    if (namespace === '') return readModel(this.#sources, name);
    const folder = await readModel(this.#within(namespace), name);
    return { ...folder, namespace };
  }

  /** Changes with every folder that the identifier stands for. */
  async token({ name, namespace }: ModelId, signal?: AbortSignal): Promise<string> {
    const sources = namespace === '' ? this.#sources : this.#within(namespace);
    const prints = sources.map((source) => source.fingerprint(name, signal));
    return (await Promise.all(prints)).map((print) => print ?? '').join(' ');
  }

  #within(namespace: string): RepositorySource[] {
    return this.#sources.filter(({ location }) => location === namespace);
  }

  async #listOne(source: RepositorySource, signal: AbortSignal | undefined) {
    const names = await source.list(signal);
    return names.map((name) => ({ name, namespace: source.location, isDuplicate: false }));
  }
}
