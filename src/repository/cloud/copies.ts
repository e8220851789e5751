// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { internal, ServeError, unavailable } from '../../base/status.ts';
import { PrivateFolder } from '../private-folder.ts';

const PREFIX = 'nereid-cloud-';
/** What is left free of the file system for everybody else. */
const SPARE_BYTES = 64 * 1024 * 1024;

/** A folder for the copy of one model. */
export interface Copy {
  /** absolute; not there until whoever asked for it makes it */
  readonly path: string;
  /** Its files are there now: what they take is no longer to be expected. */
  settled(): void;
  /** Removes what is there. Calls after the first do nothing. */
  remove(): Promise<void>;
}

/**
 * Where models from clouds lie on this machine: a private folder of this process, so that servers beside it, which may
 * download the same models, are not in its way.
 */
export class Copies implements AsyncDisposable {
  readonly #folder: PrivateFolder;
  readonly #freeBytes: (folder: string) => Promise<number>;
  #next = 1;
  /** of downloads under way, which the file system does not count yet */
  #expectedBytes = 0;

  /** @param parent folder that holds the private one */
  constructor(parent: string, freeBytes = freeBytesOf) {
    this.#folder = new PrivateFolder(parent, PREFIX);
    this.#freeBytes = freeBytes;
  }

  /**
   * @param bytes that the copy will take
   * @throws ServeError Unavailable when the file system has no room for it, Internal when it cannot be written to
   */
  async make(name: string, bytes: number): Promise<Copy> {
    const root = await this.#root();
    const free = (await this.#freeBytes(root)) - SPARE_BYTES - this.#expectedBytes;
    if (bytes > free) {
      throw unavailable(
        `model '${name}' takes ${inMib(bytes)} on disk, of which ${inMib(Math.max(0, free))} are free: ` +
          'make room or name another folder with TMPDIR',
      );
    }
    this.#expectedBytes += bytes;
    let isSettled = false;
    const settled = (): void => {
      if (!isSettled) this.#expectedBytes -= bytes;
      isSettled = true;
    };
    const path = join(root, String(this.#next++));
    return {
      path,
      settled,
      remove: async () => {
        settled();
        await rm(path, { recursive: true, force: true });
      },
    };
  }

  /** Removes what servers of this machine that ended without a word have left behind. */
  removeLeftovers(): Promise<void> {
    return this.#folder.removeLeftovers();
  }

  /** Removes the folder with everything in it. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#folder[Symbol.asyncDispose]();
  }

  async #root(): Promise<string> {
    try {
      return await this.#folder.path();
    } catch (thrown) {
      const { message } = ServeError.from(thrown);
      throw internal(`there is no folder for copies of models: ${message}`, thrown);
    }
  }
}

async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

const inMib = (bytes: number): string => `${(bytes / (1024 * 1024)).toFixed(1)} MiB`;
