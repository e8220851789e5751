// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { askHttp } from './http-client.ts';
import type { Endpoints, ServerProcess } from './server-process.ts';

export type Running = ServerProcess & { readonly endpoints: Endpoints };

/** What a server tells of itself in its metrics, and what the kernel tells of it. */
export class ServerFacts {
  readonly #server: Running;

  constructor(server: Running) {
    this.#server = server;
  }

  /** The page of metrics. */
  async page(): Promise<string> {
    return (await askHttp(this.#server.endpoints.metrics, 'GET', '/metrics')).body;
  }

  /** @returns NaN where there is no such sample */
  async metric(sample: string): Promise<number> {
    const line = (await this.page()).split('\n').find((one) => one.startsWith(`${sample} `));
    return Number(line?.slice(sample.length + 1) ?? Number.NaN);
  }

  pending(model: string): Promise<number> {
    return this.metric(`nv_inference_pending_request_count{model="${model}",version="1"}`);
  }

  succeeded(model: string): Promise<number> {
    return this.metric(`nv_inference_request_success{model="${model}",version="1"}`);
  }

  executions(model: string): Promise<number> {
    return this.metric(`nv_inference_exec_count{model="${model}",version="1"}`);
  }

  failed(model: string, reason: string): Promise<number> {
    return this.metric(
      `nv_inference_request_failure{model="${model}",reason="${reason}",version="1"}`,
    );
  }

  /** @throws AssertionError for a server without --extended-metrics */
  async poolBytes(): Promise<number> {
    const bytes = await this.metric('nereid_memory_used_bytes');
    assert.ok(!Number.isNaN(bytes), 'no --extended-metrics');
    return bytes;
  }

  /** Open files. Sockets are among them, which are closed some time after their client has gone. */
  files(): number {
    return readdirSync(`/proc/${this.#server.pid}/fd`).length;
  }

  threads(): number {
    return readdirSync(`/proc/${this.#server.pid}/task`).length;
  }

  /** Memory of the whole process, the heap of JavaScript included. */
  residentKib(): number {
    const status = readFileSync(`/proc/${this.#server.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]);
  }
}
