// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { internal, type ServeError, unavailable } from '../base/status.ts';
import { type OverrideFiles, versionsOf } from './override-files.ts';
import { PrivateFolder } from './private-folder.ts';
import type { ModelFolder } from './source.ts';

const PREFIX = 'nereid-staging-';
const PRIVATE_FILE = 0o600;

/** Bounds of the files that loads brought, bytes. */
export interface StagingLimits {
  /** while their loads wait or run: this much is in memory */
  readonly pendingBytes: number;
  /** of every build that serves or is being built: this much is on disk */
  readonly totalBytes: number;
}

/** Twice what one control call may carry, and room for some twenty of the largest models that a load can bring. */
const STAGING_LIMITS: StagingLimits = {
  pendingBytes: 128 * 1024 * 1024,
  totalBytes: 1024 * 1024 * 1024,
};

/** The files of one load, on disk under names of the server's own. */
export interface StagedModel {
  /** what a repository would say of a model with these files */
  readonly folder: ModelFolder;
  /** The load has ended: what is in memory counts no longer. */
  settled(): void;
  /** Removes the files. To be called when nothing serves from them any more; calls after the first do nothing. */
  remove(): Promise<void>;
}

/**
 * Keeps the override files of the load API in a private folder of this process, made with the first of them. A file's
 * name there is a number; the names that callers gave stay keys of a map.
 */
export class Staging implements AsyncDisposable {
  readonly #folder: PrivateFolder;
  readonly #limits: StagingLimits;
  #pendingBytes = 0;
  #totalBytes = 0;

  constructor(parent = tmpdir(), limits = STAGING_LIMITS) {
    this.#folder = new PrivateFolder(parent, PREFIX);
    this.#limits = limits;
  }

  /**
   * Writes the files of one load.
   * @param files by their place in the model, checked
   * @throws ServeError Unavailable when a bound is reached, Internal when they cannot be written
   */
  async stage(name: string, files: OverrideFiles): Promise<StagedModel> {
    let bytes = 0;
    for (const content of files.values()) bytes += content.length;
    const giveBack = this.#take(bytes);
    let folder: string | undefined;
    try {
      folder = await mkdtemp(join(await this.#folder.path(), 'load-'));
      const places = new Map<string, string>();
      for (const [path, content] of files) {
        const place = join(folder, String(places.size));
        await writeFile(place, content, { flag: 'wx', mode: PRIVATE_FILE });
        places.set(path, place);
      }
      return stagedModel(name, folder, places, giveBack);
    } catch (thrown) {
      giveBack.settled();
      giveBack.removed();
      // Cleaned away with other old files of the machine.
      if (isMissing(thrown)) this.#folder.forget();
      if (folder !== undefined) await rm(folder, { recursive: true, force: true });
      throw internal(`the files of the load cannot be kept: got ${reasonOf(thrown)}`, thrown);
    }
  }

  /** Removes what servers of this machine that ended without a word have left behind. */
  removeLeftovers(): Promise<void> {
    return this.#folder.removeLeftovers();
  }

  /** Removes the folder with everything in it. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#folder[Symbol.asyncDispose]();
  }

  #take(bytes: number): Taken {
    const { pendingBytes, totalBytes } = this.#limits;
    if (this.#pendingBytes + bytes > pendingBytes) throw full('waiting loads', pendingBytes);
    if (this.#totalBytes + bytes > totalBytes) throw full('loaded models', totalBytes);
    this.#pendingBytes += bytes;
    this.#totalBytes += bytes;
    return {
      settled: once(() => {
        this.#pendingBytes -= bytes;
      }),
      removed: once(() => {
        this.#totalBytes -= bytes;
      }),
    };
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT';

/** The system's name of the error, such as ENOSPC; its text would tell callers a path of this machine. */
const reasonOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : 'an error';

interface Taken {
  readonly settled: () => void;
  readonly removed: () => void;
}

const full = (whose: string, bytes: number): ServeError =>
  unavailable(`the override files of ${whose} would take more than ${bytes} bytes, retry later`);

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) work();
    isDone = true;
  };
}

function stagedModel(
  name: string,
  path: string,
  places: ReadonlyMap<string, string>,
  taken: Taken,
): StagedModel {
  const folder: ModelFolder = {
    name,
    configText: undefined,
    versions: versionsOf(places.keys()),
    // A load without files builds anew from the repository.
    fingerprint: '',
    locate: async (file) => places.get(file),
  };
  const remove = async (): Promise<void> => {
    taken.settled();
    await rm(path, { recursive: true, force: true });
    taken.removed();
  };
  return { folder, settled: taken.settled, remove };
}
