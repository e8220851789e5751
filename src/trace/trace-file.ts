// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { type FileHandle, open } from 'node:fs/promises';
import type { TraceRecord } from '../addon/tracing.ts';
import type { Log } from '../base/log.ts';
import type { TraceSink } from './sink.ts';
import { traceObjects } from './trace-json.ts';

/**
 * Writes traces as Triton does: all of them to one file, or `logFrequency` at a time to `<file>.0`, `<file>.1`, ….
 * Each file is a whole JSON array after every write, so a reader never waits for the server's end.
 */
export class TraceFile implements TraceSink {
  readonly #path: string;
  readonly #log: Pick<Log, 'error'>;
  #nextIndex = 0;
  #pending: TraceRecord[] = [];
  /** of those pending, requests of clients: the steps of an ensemble come with theirs */
  #pendingRequests = 0;
  #isNew = true;
  #writing: Promise<void> = Promise.resolve();
  #isBroken = false;

  constructor(path: string, log: Pick<Log, 'error'>) {
    this.#path = path;
    this.#log = log;
  }

  add(records: readonly TraceRecord[], logFrequency: number): void {
    if (logFrequency === 0) {
      if (records.length > 0) this.#then(() => this.#append(records));
      return;
    }
    for (const record of records) {
      this.#pending.push(record);
      if (record.parentId === 0) this.#pendingRequests += 1;
      if (this.#pendingRequests >= logFrequency) this.#endFile();
    }
  }

  async flush(): Promise<void> {
    if (this.#pending.length > 0) this.#endFile();
    await this.#writing;
  }

  #endFile(): void {
    const records = this.#pending;
    this.#pending = [];
    this.#pendingRequests = 0;
    const path = `${this.#path}.${this.#nextIndex++}`;
    this.#then(async () => {
      await using file = await open(path, 'w');
      await file.writeFile(`[${text(records)}]`);
    });
  }

  async #append(records: readonly TraceRecord[]): Promise<void> {
    await using file = await this.#openWhole();
    const { size } = await file.stat();
    // In place of the bracket that ends the array.
    const start = size < 2 ? 0 : size - 1;
    const bytes = Buffer.from(`${start === 0 ? '[' : ','}${text(records)}]`);
    try {
      await writeAll(file, bytes, start);
    } catch (thrown) {
      // What a full disk took of it would leave no array.
      await file.truncate(start);
      if (start > 0) await file.write(']', start);
      throw thrown;
    }
  }

  // A file of an earlier process is replaced; one that somebody took away is begun again.
  async #openWhole(): Promise<FileHandle> {
    if (!this.#isNew) {
      try {
        return await open(this.#path, 'r+');
      } catch {
        // gone
      }
    }
    const file = await open(this.#path, 'w+');
    this.#isNew = false;
    return file;
  }

  #then(write: () => Promise<void>): void {
    this.#writing = this.#writing.then(write).then(
      () => {
        this.#isBroken = false;
      },
      (error: unknown) => {
        // Said once, not for every request while the disk is full.
        if (!this.#isBroken) this.#log.error(`cannot write traces to '${this.#path}': ${error}`);
        this.#isBroken = true;
      },
    );
  }
}

/** A disk that is full takes a part and says so with the next. */
async function writeAll(file: FileHandle, bytes: Buffer, start: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, start + done);
    done += bytesWritten;
  }
}

function text(records: readonly TraceRecord[]): string {
  return records.flatMap(traceObjects).join(',');
}
