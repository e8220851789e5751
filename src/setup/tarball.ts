// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';

const BLOCK = 512;

/** `sha512-<base64>` of a file, as lock files write it. */
export async function integrityOf(file: string): Promise<string> {
  const hash = createHash('sha512');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return `sha512-${hash.digest('base64')}`;
}

export interface ExtractOptions {
  readonly signal?: AbortSignal;
  readonly onBytes?: (written: number) => void;
}

/**
 * Copies the first regular file of a .tar.gz whose path matches to `target`, streaming: the archive is never in memory.
 * @returns false when no path matches (nothing is written)
 * @throws the zlib or file system error of a broken archive or a full disk
 */
export async function extractFile(
  archive: string,
  wanted: RegExp,
  target: string,
  options: ExtractOptions = {},
): Promise<boolean> {
  const source = createReadStream(archive, options.signal ? { signal: options.signal } : {});
  const unzipped = createGunzip();
  source.on('error', (error) => unzipped.destroy(error));
  source.pipe(unzipped);
  const reader = new BlockReader(unzipped);
  try {
    for (;;) {
      const head = await reader.take(BLOCK);
      if (head === undefined || head.every((byte) => byte === 0)) return false;
      const { path, size, isFile } = readHeader(head);
      if (isFile && wanted.test(path)) {
        await copy(reader, size, target, options.onBytes);
        return true;
      }
      await reader.skip(Math.ceil(size / BLOCK) * BLOCK);
    }
  } finally {
    source.destroy();
    unzipped.destroy();
  }
}

/** Name, size and kind of an entry, POSIX ustar. npm writes no longer names for the files looked for. */
function readHeader(head: Buffer): { path: string; size: number; isFile: boolean } {
  const text = (start: number, length: number) =>
    head.toString('utf8', start, start + length).replace(/\0.*$/s, '');
  const prefix = text(345, 155);
  const size = Number.parseInt(text(124, 12).trim() || '0', 8);
  if (!Number.isSafeInteger(size) || size < 0) throw new Error('a tar header holds no valid size');
  const kind = text(156, 1);
  return {
    path: prefix ? `${prefix}/${text(0, 100)}` : text(0, 100),
    size,
    isFile: kind === '0' || kind === '',
  };
}

async function copy(
  reader: BlockReader,
  size: number,
  target: string,
  onBytes: ((written: number) => void) | undefined,
): Promise<void> {
  const file = await open(target, 'wx', 0o644);
  try {
    let written = 0;
    while (written < size) {
      const piece = await reader.some(size - written);
      if (piece === undefined) throw new Error('the archive ends in the middle of a file');
      await file.writeFile(piece);
      written += piece.length;
      onBytes?.(written);
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Takes exact numbers of bytes from a stream of chunks. */
class BlockReader {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(stream: AsyncIterable<Buffer>) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  /** 1 to `limit` bytes; undefined at the end */
  async some(limit: number): Promise<Buffer | undefined> {
    while (this.#rest.length === 0) {
      const next = await this.#chunks.next();
      if (next.done) return undefined;
      this.#rest = next.value;
    }
    const piece = this.#rest.subarray(0, limit);
    this.#rest = this.#rest.subarray(piece.length);
    return piece;
  }

  /** exactly `length` bytes; undefined when the stream ends before */
  async take(length: number): Promise<Buffer | undefined> {
    const pieces: Buffer[] = [];
    for (let missing = length; missing > 0; ) {
      const piece = await this.some(missing);
      if (piece === undefined) return undefined;
      pieces.push(piece);
      missing -= piece.length;
    }
    return Buffer.concat(pieces);
  }

  async skip(length: number): Promise<void> {
    for (let missing = length; missing > 0; ) {
      const piece = await this.some(missing);
      if (piece === undefined) return;
      missing -= piece.length;
    }
  }
}
