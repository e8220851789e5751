// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Engine } from '../addon/types.ts';

/** What holds memory. Sizes in bytes. */
export interface MemoryReport {
  /** of requests, tensors and answers together (`--memory-limit`), what they hold, and the most they ever held */
  readonly limit_bytes: number;
  readonly used_bytes: number;
  readonly peak_bytes: number;
  readonly kinds: {
    /** bodies of requests, and what was read from them */
    readonly requests_bytes: number;
    /** inputs of batches and outputs of models, until they are sent */
    readonly tensors_bytes: number;
    /** answers of streams, tensors between the steps of ensembles, calls from inside the process */
    readonly other_bytes: number;
  };
  /** kept for requests to come; not part of `used_bytes` */
  readonly idle_bytes: number;
  readonly models: readonly {
    readonly name: string;
    readonly version: string;
    readonly tensors_bytes: number;
    readonly idle_bytes: number;
    /** what its runtime has allocated for it, where that says so: weights and working memory */
    readonly runtime_bytes?: number;
    /** what serving it takes, where that is estimated: in mode on-demand */
    readonly loaded_bytes?: number;
  }[];
  readonly process: {
    readonly rss_bytes: number;
    readonly js_heap_bytes: number;
    readonly js_heap_used_bytes: number;
    readonly js_external_bytes: number;
  };
  /** the C library's allocator */
  readonly allocator: {
    readonly used_bytes: number;
    readonly free_bytes: number;
    readonly mapped_bytes: number;
  };
}

interface Parts {
  readonly engine: Pick<Engine, 'memory'>;
  /** bytes of a model while it serves; undefined = not known */
  readonly loadedBytes: (name: string) => number | undefined;
}

export class MemoryQueries {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  read(): MemoryReport {
    const { engine, loadedBytes } = this.#parts;
    const native = engine.memory();
    const { rss, heapTotal, heapUsed, external } = process.memoryUsage();
    const sum = (key: 'tensorBytes' | 'idleBytes'): number =>
      native.models.reduce((total, model) => total + model[key], 0);
    const tensors = sum('tensorBytes');
    return {
      limit_bytes: native.limitBytes,
      used_bytes: native.usedBytes,
      peak_bytes: native.peakBytes,
      kinds: {
        requests_bytes: native.requestBytes,
        tensors_bytes: tensors,
        // Read one after the other while requests come and go.
        other_bytes: Math.max(0, native.usedBytes - native.requestBytes - tensors),
      },
      idle_bytes: native.idleBytes + sum('idleBytes'),
      models: native.models.map(({ name, version, tensorBytes, idleBytes, runtimeBytes }) => {
        const loaded = loadedBytes(name);
        return {
          name,
          version: String(version),
          tensors_bytes: tensorBytes,
          idle_bytes: idleBytes,
          ...(runtimeBytes === undefined ? {} : { runtime_bytes: runtimeBytes }),
          ...(loaded === undefined ? {} : { loaded_bytes: loaded }),
        };
      }),
      process: {
        rss_bytes: rss,
        js_heap_bytes: heapTotal,
        js_heap_used_bytes: heapUsed,
        js_external_bytes: external,
      },
      allocator: {
        used_bytes: native.allocator.usedBytes,
        free_bytes: native.allocator.freeBytes,
        mapped_bytes: native.allocator.mappedBytes,
      },
    };
  }
}
