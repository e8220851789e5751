// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { createHash, type Hash } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Crc32c } from './crc32c.ts';
import { decoded } from './gzip.ts';
import type { ObjectStore, StoredObject } from './object-store.ts';
import { type RetryOptions, withRetries } from './retry.ts';
import { storeError } from './store-error.ts';

const PRIVATE_FILE = 0o600;
const PRIVATE_FOLDER = 0o700;

export interface DownloadOptions {
  readonly store: ObjectStore;
  /** objects that are read at a time */
  readonly parallel: number;
  /** of one object */
  readonly attempts: number;
  /** no byte for so long fails an attempt */
  readonly silenceMs: number;
  readonly signal: AbortSignal;
  readonly pause?: RetryOptions['pause'];
}

/**
 * Brings objects into a folder that appears, whole and verified, in one rename.
 * @param files by their place in the folder, checked
 * @param target absolute path of the folder; must not be there
 * @throws StoreError, or the file system's error; nothing is left then
 */
export async function downloadFolder(
  files: ReadonlyMap<string, StoredObject>,
  target: string,
  options: DownloadOptions,
): Promise<void> {
  const part = `${target}.part`;
  // The others stop when one fails.
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  try {
    await mkdir(part, { mode: PRIVATE_FOLDER });
    for (const folder of foldersOf(files.keys())) {
      await mkdir(join(part, folder), { recursive: true, mode: PRIVATE_FOLDER });
    }
    const queue = files.entries();
    const worker = async (): Promise<void> => {
      for (const [path, object] of queue) {
        const place = join(part, path);
        await withRetries(() => downloadFile(object, place, { ...options, signal }), {
          ...options,
          signal,
        });
      }
    };
    let first: { readonly thrown: unknown } | undefined;
    const workers = Array.from({ length: Math.min(options.parallel, files.size) }, () =>
      worker().catch((thrown: unknown) => {
        // Whoever was stopped by the first failure has nothing to tell.
        first ??= { thrown };
        failed.abort();
      }),
    );
    await Promise.all(workers);
    options.signal.throwIfAborted();
    if (first !== undefined) throw (first as { readonly thrown: unknown }).thrown;
    await rename(part, target);
  } catch (thrown) {
    await rm(part, { recursive: true, force: true });
    throw thrown;
  }
}

/**
 * Reads the whole of a small object.
 * @param mostBytes of its content, which may be larger than what is stored of it
 * @throws StoreError
 */
export async function readObject(
  object: StoredObject,
  mostBytes: number,
  options: Pick<DownloadOptions, 'store' | 'silenceMs' | 'signal'>,
): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  await receive(object, options, async (piece) => {
    bytes += piece.length;
    if (bytes > mostBytes)
      throw storeError('failed', `expected at most ${mostBytes} bytes, got more`);
    pieces.push(piece);
  });
  return Buffer.concat(pieces);
}

async function downloadFile(
  object: StoredObject,
  place: string,
  options: DownloadOptions,
): Promise<void> {
  await using file = await open(place, 'w', PRIVATE_FILE);
  await receive(object, options, async (piece) => {
    // A short write is possible: a full disk, a signal.
    for (let at = 0; at < piece.length; ) at += (await file.write(piece, at)).bytesWritten;
  });
}

/**
 * Hands the content on as it comes and checks what came: its size and the digests that the store gives. What is stored
 * as gzip is handed on decoded.
 */
async function receive(
  object: StoredObject,
  { store, silenceMs, signal }: Pick<DownloadOptions, 'store' | 'silenceMs' | 'signal'>,
  take: (piece: Uint8Array) => Promise<void>,
): Promise<void> {
  const silence = new AbortController();
  const late = storeError('busy', `nothing came for ${silenceMs / 1000} s`);
  const timer = setTimeout(() => silence.abort(late), silenceMs);
  try {
    const content = await store.open(object, AbortSignal.any([signal, silence.signal]));
    const md5 = content.md5 ?? object.md5;
    const check = new ContentCheck(object, md5);
    const checked = check.pass(content.body, () => timer.refresh());
    for await (const piece of content.encoding === 'gzip' ? decoded(checked) : checked) {
      await take(piece);
    }
  } catch (thrown) {
    throw silence.signal.aborted && !signal.aborted ? late : thrown;
  } finally {
    clearTimeout(timer);
  }
}

class ContentCheck {
  readonly #object: StoredObject;
  readonly #md5: { readonly wanted: string; readonly hash: Hash } | undefined;
  readonly #crc32c: { readonly wanted: string; readonly crc: Crc32c } | undefined;
  #bytes = 0;

  constructor(object: StoredObject, md5: string | undefined) {
    this.#object = object;
    const { crc32c } = object;
    if (md5 !== undefined) this.#md5 = { wanted: md5, hash: createHash('md5') };
    else if (crc32c !== undefined) this.#crc32c = { wanted: crc32c, crc: new Crc32c() };
  }

  /**
   * Yields what comes, and ends only when all of it is right.
   * @param came called for each piece
   * @throws StoreError busy: what came damaged may come whole the next time
   */
  async *pass(body: AsyncIterable<Uint8Array>, came: () => void): AsyncGenerator<Uint8Array> {
    for await (const piece of body) {
      came();
      this.#update(piece);
      yield piece;
    }
    this.#finish();
  }

  #update(piece: Uint8Array): void {
    this.#bytes += piece.length;
    // More than was listed must not fill the disk.
    if (this.#bytes > this.#object.bytes) throw this.#wrong('more bytes');
    this.#md5?.hash.update(piece);
    this.#crc32c?.crc.update(piece);
  }

  #finish(): void {
    if (this.#bytes !== this.#object.bytes) throw this.#wrong(`${this.#bytes} bytes`);
    if (this.#md5 !== undefined && this.#md5.hash.digest('base64') !== this.#md5.wanted) {
      throw this.#wrong('content with another MD5');
    }
    if (this.#crc32c !== undefined && this.#crc32c.crc.digest() !== this.#crc32c.wanted) {
      throw this.#wrong('content with another CRC-32C');
    }
  }

  #wrong(got: string): Error {
    return storeError('busy', `expected ${this.#object.bytes} bytes as listed, got ${got}`);
  }
}

function foldersOf(paths: Iterable<string>): Set<string> {
  const folders = new Set<string>();
  for (const path of paths) if (path.includes('/')) folders.add(dirname(path));
  return folders;
}
