// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { stat } from 'node:fs/promises';
import { resolve, sep } from 'node:path';
import { internal, ServeError } from '../../base/status.ts';
import type { FetchedModel, ModelFolder, RepositorySource } from '../source.ts';
import type { CloudPath } from './cloud-path.ts';
import type { Copies } from './copies.ts';
import { downloadFolder, readObject } from './download.ts';
import { filesOf, type ModelListing, modelListing, modelNames, versionFolders } from './listing.ts';
import type { ObjectStore, StoredObject } from './object-store.ts';
import { bounded, type RetryOptions, withRetries } from './retry.ts';
import { storeFailure } from './store-error.ts';

export interface CloudSourceOptions {
  readonly path: CloudPath;
  /** loads the package of the store and connects; called with the first use, and again after it failed */
  readonly open: () => Promise<ObjectStore>;
  readonly copies: Copies;
  /** as `LocalSource` takes it */
  readonly configName?: string;
  readonly limits?: Partial<CloudLimits>;
  readonly pause?: RetryOptions['pause'];
  /** milliseconds of a clock that never goes back */
  readonly now?: () => number;
}

export interface CloudLimits {
  /** of each call to the store */
  readonly attempts: number;
  /** of one listing, with its repetitions */
  readonly listMs: number;
  /** of one download */
  readonly downloadMs: number;
  /** no byte for so long fails an attempt */
  readonly silenceMs: number;
  /** objects of one model that are read at a time */
  readonly parallel: number;
  /** of one repository */
  readonly objects: number;
}

const LIMITS: CloudLimits = {
  attempts: 6,
  listMs: 60_000,
  downloadMs: 1_800_000,
  silenceMs: 30_000,
  parallel: 8,
  objects: 1_000_000,
};

/** A configuration larger than this is a mistake, not a configuration. */
const MAX_CONFIG_BYTES = 16 * 1024 * 1024;
/** Larger ones are read again. */
const KEPT_CONFIG_BYTES = 64 * 1024;
/** A listing of everything answers for each model that is asked about right behind it. */
const LISTING_MS = 1000;

/** Models of a bucket or container, below a prefix. Changes are told by what the store says of each object. */
export class CloudSource implements RepositorySource, AsyncDisposable {
  readonly location: string;
  readonly #options: CloudSourceOptions;
  readonly #limits: CloudLimits;
  readonly #now: () => number;
  #store: Promise<ObjectStore> | undefined;
  #listed: { readonly atMs: number; readonly prints: ReadonlyMap<string, string> } | undefined;
  /** small configurations by model, so that a load that reads one thrice fetches it once */
  readonly #configs = new Map<string, { readonly object: StoredObject; readonly text: string }>();

  constructor(options: CloudSourceOptions) {
    this.#options = options;
    this.#limits = { ...LIMITS, ...options.limits };
    this.#now = options.now ?? (() => performance.now());
    this.location = options.path.location;
  }

  async list(signal?: AbortSignal): Promise<string[]> {
    const { prefix } = this.#options.path;
    const objects = await this.#objects(prefix, `list '${this.location}'`, signal);
    const atMs = this.#now();
    const below = objects.filter(({ key }) => key.slice(prefix.length).includes('/'));
    const names = modelNames(
      prefix,
      below.map(({ key }) => key),
    );
    const byName = new Map<string, StoredObject[]>(names.map((name) => [name, []]));
    for (const object of below) {
      byName.get(object.key.slice(prefix.length).split('/', 1)[0] ?? '')?.push(object);
    }
    const prints = new Map<string, string>();
    for (const [name, own] of byName) prints.set(name, fingerprintOf(`${prefix}${name}/`, own));
    this.#listed = { atMs, prints };
    for (const name of this.#configs.keys()) if (!prints.has(name)) this.#configs.delete(name);
    return names;
  }

  async fingerprint(name: string, signal?: AbortSignal): Promise<string | undefined> {
    const listed = this.#listed;
    if (listed !== undefined && this.#now() - listed.atMs < LISTING_MS) {
      return listed.prints.get(name);
    }
    const prefix = `${this.#options.path.prefix}${name}/`;
    const objects = await this.#objects(prefix, `list '${this.location}/${name}'`, signal);
    return objects.length === 0 ? undefined : fingerprintOf(prefix, objects);
  }

  async read(name: string, signal?: AbortSignal): Promise<ModelFolder | undefined> {
    const prefix = `${this.#options.path.prefix}${name}/`;
    const objects = await this.#objects(prefix, `list '${this.location}/${name}'`, signal);
    const listing = modelListing(prefix, objects);
    if (listing === undefined) return undefined;
    return {
      name,
      ...(await this.#configOf(name, listing, signal)),
      versions: versionFolders(listing),
      fingerprint: listing.fingerprint,
      contents: listing.contents,
      bytes: listing.bytes,
      locate: async () => undefined,
      fetch: (versions, fetchSignal) => this.#fetch(name, listing, versions, fetchSignal),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    (await this.#store?.catch(() => undefined))?.close();
  }

  async #fetch(
    name: string,
    listing: ModelListing,
    versions: readonly number[],
    signal?: AbortSignal,
  ): Promise<FetchedModel> {
    const files = filesOf(listing, versions);
    const bytes = [...files.values()].reduce((sum, object) => sum + object.bytes, 0);
    const copy = await this.#options.copies.make(name, bytes);
    const { attempts, parallel, silenceMs, downloadMs } = this.#limits;
    try {
      await this.#calling(`download model '${name}'`, downloadMs, signal, async (store, within) => {
        const { pause } = this.#options;
        const options = { store, parallel, attempts, silenceMs, pause, signal: within };
        await downloadFolder(files, copy.path, options);
      });
    } catch (thrown) {
      await copy.remove();
      throw thrown;
    }
    copy.settled();
    return { locate: (file) => locate(copy.path, file), remove: copy.remove };
  }

  async #configOf(
    name: string,
    { files }: ModelListing,
    signal: AbortSignal | undefined,
  ): Promise<{ configText: string | undefined; configFile?: string }> {
    const { configName = '' } = this.#options;
    const configFile = `configs/${configName}.pbtxt`;
    const named = configName === '' ? undefined : files.get(configFile);
    if (named !== undefined) {
      return { configText: await this.#config(name, configFile, named, signal), configFile };
    }
    const plain = files.get('config.pbtxt');
    if (plain === undefined) return { configText: undefined };
    return { configText: await this.#config(name, 'config.pbtxt', plain, signal) };
  }

  async #config(
    name: string,
    path: string,
    object: StoredObject,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    const kept = this.#configs.get(name);
    if (kept?.object.key === object.key && kept.object.token === object.token) return kept.text;
    if (object.bytes > MAX_CONFIG_BYTES) {
      throw internal(`${path}: expected at most ${MAX_CONFIG_BYTES} bytes, got ${object.bytes}`);
    }
    const { attempts, listMs, silenceMs } = this.#limits;
    const content = await this.#calling(`read ${path}`, listMs, signal, (store, within) =>
      withRetries(
        () => readObject(object, MAX_CONFIG_BYTES, { store, silenceMs, signal: within }),
        {
          attempts,
          signal: within,
          pause: this.#options.pause,
        },
      ),
    );
    const text = content.toString('utf8');
    if (object.bytes <= KEPT_CONFIG_BYTES) this.#configs.set(name, { object, text });
    return text;
  }

  /** Every object below a prefix, page after page. */
  async #objects(
    prefix: string,
    what: string,
    signal: AbortSignal | undefined,
  ): Promise<StoredObject[]> {
    const { attempts, listMs, silenceMs, objects: most } = this.#limits;
    return this.#calling(what, listMs, signal, async (store, within) => {
      const found: StoredObject[] = [];
      for (let next: string | undefined; ; ) {
        const list = (one: AbortSignal) => store.list({ prefix, deep: true, next, signal: one });
        const retries = { attempts, signal: within, pause: this.#options.pause };
        const page = await withRetries(() => bounded(list, silenceMs, within), retries);
        for (const object of page.objects) found.push(object);
        if (found.length > most) throw internal(`it holds more than ${most} objects`);
        next = page.next;
        if (next === undefined) return found;
      }
    });
  }

  /** @throws ServeError that names what was to be done */
  async #calling<T>(
    what: string,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    work: (store: ObjectStore, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const deadline = AbortSignal.timeout(timeoutMs);
    const within = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
    this.#store ??= this.#options.open();
    let store: ObjectStore;
    try {
      store = await this.#store;
    } catch (thrown) {
      this.#store = undefined;
      throw thrown;
    }
    try {
      return await work(store, within);
    } catch (thrown) {
      if (signal?.aborted) throw ServeError.from(signal.reason);
      if (deadline.aborted) {
        throw new ServeError('DeadlineExceeded', `cannot ${what} within ${timeoutMs / 1000} s`);
      }
      throw storeFailure(what, thrown);
    }
  }
}

/** A model with an object that cannot be a file of it changes too; what is wrong is told by reading it. */
function fingerprintOf(prefix: string, objects: readonly StoredObject[]): string {
  try {
    return modelListing(prefix, objects)?.fingerprint ?? '';
  } catch (thrown) {
    return `wrong ${ServeError.from(thrown).message} ${objects.map(({ token }) => token).join()}`;
  }
}

async function locate(folder: string, file: string): Promise<string | undefined> {
  const path = resolve(folder, file);
  if (!path.startsWith(`${folder}${sep}`)) return undefined;
  const info = await stat(path).catch(() => undefined);
  return info?.isFile() === true ? path : undefined;
}
