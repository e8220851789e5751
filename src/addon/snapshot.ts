// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/** `{count, ns}` of one stage. Nanoseconds as bigint: they pass 2^53 in production. */
export interface DurationStat {
  readonly count: bigint;
  readonly ns: bigint;
}

/** Counters of one model version, all read under one lock: success + failure + pending = received. */
export interface ModelStatistics {
  /** as `load` returned it */
  readonly handle: number;
  readonly name: string;
  readonly version: number;
  readonly received: bigint;
  readonly pending: bigint;
  readonly lastInferenceMs: bigint;
  readonly inferenceCount: bigint;
  readonly executionCount: bigint;
  readonly success: DurationStat;
  readonly fail: DurationStat;
  readonly queue: DurationStat;
  readonly computeInput: DurationStat;
  readonly computeInfer: DurationStat;
  readonly computeOutput: DurationStat;
  /** look-ups in the response cache that found an answer; others, with what keeping the answer took */
  readonly cacheHit: DurationStat;
  readonly cacheMiss: DurationStat;
  readonly batches: readonly {
    readonly batchSize: bigint;
    readonly computeInput: DurationStat;
    readonly computeInfer: DurationStat;
    readonly computeOutput: DurationStat;
  }[];
  /** requests that ended without success, by Triton's reasons */
  readonly failures: {
    readonly rejected: bigint;
    readonly canceled: bigint;
    readonly backend: bigint;
    readonly other: bigint;
  };
  /** responses of decoupled models by their index: the first of each request, the second, … */
  readonly responses: readonly {
    readonly computeInfer: DurationStat;
    readonly computeOutput: DurationStat;
    readonly success: DurationStat;
    readonly fail: DurationStat;
    readonly emptyResponse: DurationStat;
    readonly cancel: DurationStat;
  }[];
  /** empty for an ensemble */
  readonly instances: readonly InstanceState[];
  /** one of them serves; of an ensemble, of each model that it needs */
  readonly canServe: boolean;
}

/** Where one instance of a model stands; native/metrics/instance_state.h says what the states mean. */
export interface InstanceState {
  readonly state: 'serving' | 'poisoned' | 'rebuilding' | 'lost';
  /** empty while it serves */
  readonly reason: string;
  readonly failedAttempts: number;
  readonly poisonings: number;
}

/** The whole engine at one moment; each model's counters agree with each other. */
export interface EngineSnapshot {
  readonly models: readonly ModelStatistics[];
  readonly connections: number;
  readonly inFlight: number;
  readonly memoryUsedBytes: number;
  readonly memoryLimitBytes: number;
}

/** Bytes that native holds; exact while nothing comes or goes. */
export interface MemoryUse {
  readonly limitBytes: number;
  /** of requests, tensors and answers */
  readonly usedBytes: number;
  /** the most they ever were */
  readonly peakBytes: number;
  /** the part of requests: their bodies, and what was read from them */
  readonly requestBytes: number;
  /** kept for requests to come */
  readonly idleBytes: number;
  readonly models: readonly {
    readonly name: string;
    readonly version: number;
    /** the part of its batches and their outputs */
    readonly tensorBytes: number;
    /** kept for batches to come */
    readonly idleBytes: number;
    /** what its runtime has allocated for it: weights and working memory; absent where that does not say */
    readonly runtimeBytes?: number;
  }[];
  /** mallinfo2: pieces in use, free pieces that may have no pages, and mappings of their own */
  readonly allocator: {
    readonly usedBytes: number;
    readonly freeBytes: number;
    readonly mappedBytes: number;
  };
}

/** How a model forms its batches now, and why. */
export interface BatchingView {
  /** absent where batches follow the configuration */
  readonly targetUs?: number;
  /** that come; absent where nobody counts them */
  readonly rowsPerSecond?: number;
  /** moving averages by size, ascending */
  readonly costs: readonly {
    readonly rows: number;
    readonly us: number;
    readonly executions: number;
  }[];
  /** that may run at once */
  readonly instances: number;
  /** of a batch */
  readonly maxRows: number;
  /** an idle instance waits for one of these sizes, but no longer than `waitUs` */
  readonly wantedRows: readonly number[];
  readonly waitUs: number;
  readonly reason: string;
}
