// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import type { MemoryReport } from '../../src/control/memory.ts';
import { askHttp } from './http-client.ts';
import type { Endpoints, ServerProcess } from './server-process.ts';
import { until } from './until.ts';

/** Bytes by which what is in use may differ at equal points of a cycle: V8's own tables and tiers of code among it. */
const GROWTH_LIMIT = 1024 * 1024;
/** V8 compiles on threads of its own, with up to some MiB of `malloc` for each function until it is done. */
const READINGS = 50;
/** V8 keeps 4 KiB of `malloc` for each page of its young generation, which must not grow therefore. */
const YOUNG_GENERATION = '--max-semi-space-size=1';

/**
 * What a server's C library says is in use: `malloc` of native code and of Node, not the heap of JavaScript. To be read
 * when nothing runs. The server has `--diagnostics-api` and `NativeHeap.env()`.
 */
export class NativeHeap {
  readonly #server: ServerProcess & { readonly endpoints: Endpoints };
  #collections = 0;
  #start = 0;

  constructor(server: ServerProcess & { readonly endpoints: Endpoints }) {
    this.#server = server;
  }

  /** The environment of a server that can be measured. */
  static env(): NodeJS.ProcessEnv {
    const preload = new URL('./collect-garbage.ts', import.meta.url);
    return {
      ...process.env,
      NODE_OPTIONS: `--import=${preload.href} ${YOUNG_GENERATION}`,
      // What threads keep for themselves counts as in use: up to some hundred KiB each, filled over hours.
      GLIBC_TUNABLES: 'glibc.malloc.tcache_count=0',
    };
  }

  /** Everything later is compared with now. */
  async begin(): Promise<void> {
    this.#start = Number.POSITIVE_INFINITY;
    for (let i = 0; i < READINGS / 5; i++) {
      this.#start = Math.min(this.#start, await this.#bytesInUse());
    }
  }

  /**
   * @returns bytes more than at the beginning
   * @throws AssertionError for 1 MiB and more
   */
  async growth(): Promise<number> {
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < READINGS && least >= GROWTH_LIMIT; i++) {
      least = Math.min(least, (await this.#bytesInUse()) - this.#start);
    }
    assert.ok(least < GROWTH_LIMIT, `the native heap has grown by ${least} bytes`);
    return least;
  }

  /** After a collection of JavaScript's garbage. */
  async #bytesInUse(): Promise<number> {
    const { pid, endpoints } = this.#server;
    assert.ok(pid !== undefined);
    const last = `collected ${++this.#collections} times`;
    process.kill(pid, 'SIGUSR2');
    await until(() => this.#server.log.includes(last));
    const { status, body } = await askHttp(endpoints.http, 'GET', '/v2/memory');
    assert.equal(status, 200);
    const { allocator } = JSON.parse(body) as MemoryReport;
    return allocator.used_bytes + allocator.mapped_bytes;
  }
}
