// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/** What is measured and what the metrics page shows. */
export interface MetricsOptions {
  /** Triton's latency families by kind (`--metrics-config`) */
  readonly counterLatencies: boolean;
  readonly histogramLatencies: boolean;
  readonly summaryLatencies: boolean;
  /** 0 … 1, in the order of the page */
  readonly summaryQuantiles: readonly number[];
  /** the `nereid_*` families */
  readonly extended: boolean;
  readonly cpu: boolean;
  /** readings of the machine are at least this old when they are renewed */
  readonly hostIntervalMs: number;
  /** shown as it was given */
  readonly pinnedMemoryPoolBytes: number;
}

/** Who gets reports of load, and in which form. */
export type OrcaLoadMetrics =
  | 'off'
  | 'asked'
  | 'text'
  | 'json'
  | 'bin'
  | 'plain-text'
  | 'plain-json';

/** Set once when the engine is made. Sizes in bytes, times in milliseconds. */
export interface EngineOptions {
  readonly program: 'tritonserver' | 'nereid';
  /** 0 = min(4, CPUs the process may use) */
  readonly ioThreads: number;
  readonly inferPath: 'native' | 'typescript';
  readonly inlineExecution: 'auto' | 'off';
  readonly enableTestBackends: boolean;
  /** path of libonnxruntime, empty when not installed */
  readonly onnxRuntimeLibrary: string;
  /** ceiling of all request, tensor and response bytes */
  readonly memoryLimitBytes: number;
  /** of answers that are kept for models that want it, beside the memory limit; absent or 0 = none */
  readonly responseCacheBytes?: number;
  /** --rate-limit-resource; none = as much as the neediest instance holds. `device` absent = on each */
  readonly resourceLimits: readonly {
    readonly name: string;
    readonly count: number;
    readonly device?: number;
  }[];
  /** --http-max-input-size */
  readonly httpMaxInputBytes: number;
  /** --grpc-max-response-pool-size: responses of one stream on their way; 2^31 - 1 = any number */
  readonly grpcMaxResponsePoolSize: number;
  readonly grpcInferResponseCompressionLevel: 'none' | 'low' | 'medium' | 'high';
  /** names of HTTP/1 headers are kept as they were written: what a forward pattern needs */
  readonly keepHeaderNames: boolean;
  /** largest request line plus headers */
  readonly maxHeaderBytes: number;
  readonly idleTimeoutMs: number;
  /** from the first byte of a request's head (TLS: of the handshake) to its last */
  readonly headTimeoutMs: number;
  /** a request body must be complete within this time and arrive at least at `minBodyBytesPerSecond` */
  readonly bodyTimeoutMs: number;
  readonly minBodyBytesPerSecond: number;
  readonly maxConnections: number;
  readonly maxStreamsPerConnection: number;
  /** --allow-client-shm; while it is off, registering and opening regions is a bug of the caller */
  readonly allowClientShm: boolean;
  /** answer time of control calls; past it native answers 503 / UNAVAILABLE */
  readonly controlTimeoutMs: number;
  /** health answers carry KServe's JSON bodies when true, Triton's empty bodies when false */
  readonly jsonHealthBodies: boolean;
  /** GET /v2/health/details is answered */
  readonly diagnosticsApi: boolean;
  /** file of the access log, `-` = standard output, empty = none */
  readonly accessLog: string;
  /** the access log has a line for every so-manyth request; at least 1 */
  readonly accessLogEvery: number;
  /** HTTP infer answers carry a Server-Timing header */
  readonly serverTiming: boolean;
  /** reports of load in infer and generate answers: `asked` = to requests that ask, else in every answer of that form */
  readonly orcaLoadMetrics: OrcaLoadMetrics;
  readonly metrics: MetricsOptions;
  /** FP16 and BF16 as numbers in JSON */
  readonly real16Json: boolean;
  readonly logVerbose: number;
  readonly logInfo: boolean;
  readonly logWarning: boolean;
  readonly logError: boolean;
  readonly logFormat: 'default' | 'ISO8601';
  /** appended to; empty = standard error */
  readonly logFile: string;
}

/** Which lines native writes, and where. */
export type LogOptions = Pick<
  EngineOptions,
  'logVerbose' | 'logInfo' | 'logWarning' | 'logError' | 'logFormat' | 'logFile'
>;
