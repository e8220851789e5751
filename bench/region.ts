// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { closeSync, openSync, readSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';

/** Name of the one region of a run; the input lies at its start, the output behind it. */
export const REGION = 'bench';

/** An object of shared memory that holds a scenario's tensors, registered at one server. */
export class Region implements Disposable {
  readonly #path: string;
  readonly #tensorBytes: number;

  private constructor(path: string, tensorBytes: number) {
    this.#path = path;
    this.#tensorBytes = tensorBytes;
  }

  /**
   * Makes the object, its output all zeros, and registers it.
   * @throws Error with what the server says
   */
  static async register(httpPort: number, input: Uint8Array): Promise<Region> {
    const key = `/nereid-bench-${process.pid}`;
    const region = new Region(join('/dev/shm', key), input.length);
    writeFileSync(region.#path, Buffer.concat([input, Buffer.alloc(input.length)]));
    try {
      const path = `/v2/systemsharedmemory/region/${REGION}/register`;
      await post(httpPort, path, JSON.stringify({ key, byte_size: 2 * input.length }));
      return region;
    } catch (error) {
      region[Symbol.dispose]();
      throw error;
    }
  }

  /** The output's bytes; then zeros again, so that an old output is not taken for a new one. */
  takeOutput(): Buffer {
    const bytes = Buffer.alloc(this.#tensorBytes);
    const file = openSync(this.#path, 'r+');
    readSync(file, bytes, 0, bytes.length, this.#tensorBytes);
    writeSync(file, Buffer.alloc(bytes.length), 0, bytes.length, this.#tensorBytes);
    closeSync(file);
    return bytes;
  }

  [Symbol.dispose](): void {
    rmSync(this.#path, { force: true });
  }
}

function post(port: number, path: string, body: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = httpRequest(
      { host: '127.0.0.1', port, path, method: 'POST', agent: false, timeout: 10_000 },
      (reply) => {
        let text = '';
        reply.setEncoding('utf8').on('data', (piece: string) => {
          text += piece;
        });
        reply
          .on('end', () => {
            if (reply.statusCode === 200) resolve();
            else reject(new Error(`POST ${path}: ${reply.statusCode} ${text}`));
          })
          .on('error', reject);
      },
    );
    call
      .on('timeout', () => call.destroy(new Error('timeout')))
      .on('error', reject)
      .end(body);
  });
}
