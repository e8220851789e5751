// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { endsWithin } from '../base/abort.ts';
import { internal, invalidArgument, notFound, ServeError, unimplemented } from '../base/status.ts';
import type { ServerOptions } from '../config/server-options.ts';
import type { ModelLifecycle } from '../lifecycle/lifecycle.ts';
import { failedToPoll } from '../lifecycle/load-failure.ts';
import { LocalSource } from '../repository/local-source.ts';
import { MappedSource } from '../repository/mapped-source.ts';
import { listModels } from '../repository/scan.ts';
import type { RepositorySource } from '../repository/source.ts';

/** The platform gives an unload 360 seconds. */
const UNLOAD_TIMEOUT_MS = 350_000;

/** A model as the platform lists it. */
export interface SagemakerModel {
  readonly modelName: string;
  readonly modelUrl: string;
}

interface Loaded {
  /** the name it is served under */
  readonly target: string;
  readonly source: RepositorySource;
}

export interface SagemakerOptions {
  readonly lifecycle: Pick<ModelLifecycle, 'load' | 'unload' | 'gone'>;
  /** repositories of the lifecycle; those of loaded models are added and taken out again */
  readonly sources: RepositorySource[];
  readonly mode: ServerOptions['modelControlMode'];
  /** folder that the platform unpacks its archives in */
  readonly root: string;
  /** tells native which names answer `/models/{name}/invoke`; resolves when it is so */
  readonly publish: (names: readonly string[]) => Promise<void>;
}

/**
 * The models of a multi-model endpoint of SageMaker. The platform unpacks an archive, names it by a hash and asks for
 * it to be loaded; each becomes a repository of its own for as long as it is loaded.
 */
export class SagemakerModels {
  readonly #options: SagemakerOptions;
  readonly #loaded = new Map<string, Loaded>();

  constructor(options: SagemakerOptions) {
    this.#options = options;
  }

  list(): SagemakerModel[] {
    return [...this.#loaded].map(([modelName, { source }]) => ({
      modelName,
      modelUrl: source.location,
    }));
  }

  /** @throws ServeError NotFound without a message, as Triton answers */
  get(modelName: string): SagemakerModel {
    return { modelName, modelUrl: this.#find(modelName).source.location };
  }

  /**
   * @param name hash of the archive
   * @param url folder of it
   * @param target name to serve the model under
   * @throws ServeError AlreadyExists for a folder or a name that is in use, InvalidArgument and what a load throws
   */
  async load(name: string, url: string, target: string): Promise<void> {
    const { lifecycle, sources } = this.#options;
    const source = await this.#register(name, url, target);
    try {
      await lifecycle.load(target);
    } catch (thrown) {
      sources.splice(sources.indexOf(source), 1);
      throw thrown;
    }
    this.#loaded.set(name, { target, source });
    await this.#publish();
  }

  /**
   * Resolves when nothing of the model is left, or so late that the platform would give up.
   * @throws ServeError NotFound without a message, as Triton answers
   */
  async unload(name: string): Promise<void> {
    const { target, source } = this.#find(name);
    const { lifecycle, sources } = this.#options;
    this.#loaded.delete(name);
    await this.#publish();
    await lifecycle.unload(target);
    sources.splice(sources.indexOf(source), 1);
    await endsWithin(lifecycle.gone(target), UNLOAD_TIMEOUT_MS);
  }

  #publish(): Promise<void> {
    return this.#options.publish([...this.#loaded.keys()]);
  }

  #find(name: string): Loaded {
    const found = this.#loaded.get(name);
    if (found === undefined) throw notFound('');
    return found;
  }

  /** In Triton's words. */
  async #register(name: string, url: string, target: string): Promise<RepositorySource> {
    const { sources, mode, root } = this.#options;
    if (mode !== 'explicit') {
      throw unimplemented(
        'repository registration is not allowed if model control mode is not EXPLICIT',
      );
    }
    const { location, folder } = await locate(checkUrl(url, root), target);
    if (sources.some((source) => source.location === location)) {
      throw new ServeError(
        'AlreadyExists',
        `model repository '${location}' has already been registered`,
      );
    }
    if (this.#loaded.has(name)) throw conflict(location, name);
    const source = new MappedSource(new LocalSource(location), folder, target);
    const taken = await listModels(sources);
    // Whoever asks meanwhile finds it taken.
    if (
      taken.some((model) => model.name === target) ||
      sources.some((s) => s.location === location)
    ) {
      throw conflict(location, target);
    }
    sources.push(source);
    return source;
  }
}

const conflict = (location: string, name: string): ServeError =>
  new ServeError(
    'AlreadyExists',
    `failed to register '${location}', there is a conflicting mapping for '${name}'`,
  );

/** `<root>/<hash>/model[/<folder>]`, nothing else. */
function checkUrl(url: string, root: string): string {
  if (url === '') throw invalidArgument("failed to register '', repository not found");
  const path = resolve(url);
  const rest = path.startsWith(`${root}/`) ? path.slice(root.length + 1) : '';
  if (/^[0-9A-Za-z._]+\/model(?:\/[0-9A-Za-z._]+)?$/.test(rest)) return path;
  throw invalidArgument(
    `failed to register '${url}': expected ${root}/<hash>/model or a folder directly in it`,
  );
}

/** Of a folder that is a model, its parent; else the folder, and the model in it that is asked for. */
async function locate(path: string, target: string): Promise<{ location: string; folder: string }> {
  const info = await stat(path).catch(() => undefined);
  if (info?.isDirectory() !== true) {
    throw invalidArgument(`failed to register '${path}', repository not found`);
  }
  if ((await readConfig(path)) !== undefined) {
    return { location: dirname(path), folder: basename(path) };
  }
  const folders = await new LocalSource(path).list();
  const [only, second] = folders;
  if (only === undefined) {
    throw internal(failedToPoll(target));
  }
  if (second === undefined) return { location: path, folder: only };
  for (const folder of folders) {
    const config = await readConfig(join(path, folder));
    if (/platform:\s*"ensemble"/.test(config ?? '')) return { location: path, folder };
  }
  throw invalidArgument(
    `failed to register '${path}': expected one model or an ensemble, got ${folders.length} models`,
  );
}

function readConfig(folder: string): Promise<string | undefined> {
  return readFile(join(folder, 'config.pbtxt'), 'utf8').catch(() => undefined);
}
