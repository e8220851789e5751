// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { EngineOptions, MetricsOptions } from '../addon/engine-options.ts';
import { responseCacheBytes } from '../config/response-cache.ts';
import type { ServerOptions } from '../config/server-options.ts';
import { memoryLimitOf } from './memory-limit.ts';

// Limits that are no flags. Header block: above what browsers and gateways send. Idle connections cost a descriptor
// each, and clients keep pools for long. A head is a few packets; who sends it byte by byte wants to hold a connection
// that the idle limit does not see. A body may be slow, but not slower than any working link. Control calls
// include loads, which may build a large model.
const LIMITS = {
  maxHeaderBytes: 32 * 1024,
  idleTimeoutMs: 3_600_000,
  headTimeoutMs: 30_000,
  bodyTimeoutMs: 600_000,
  minBodyBytesPerSecond: 1024,
  maxConnections: 65_536,
  maxStreamsPerConnection: 1024,
  controlTimeoutMs: 1_800_000,
} as const;

/** What native is told once, when the engine is made. */
export function engineOptions(
  options: ServerOptions,
  metrics: MetricsOptions,
  onnxRuntimeLibrary: string,
): EngineOptions {
  return {
    program: options.program,
    ioThreads: options.ioThreads,
    inferPath: options.inferPath,
    inlineExecution: options.inlineExecution,
    enableTestBackends: options.enableTestBackends,
    onnxRuntimeLibrary,
    memoryLimitBytes: memoryLimitOf(options),
    responseCacheBytes: responseCacheBytes(options),
    resourceLimits: options.rateLimitResources.map(({ name, count, device }) => ({
      name,
      count,
      ...(device === undefined ? {} : { device }),
    })),
    httpMaxInputBytes: options.httpMaxInputBytes,
    grpcMaxResponsePoolSize: options.grpcMaxResponsePoolSize,
    grpcInferResponseCompressionLevel: options.grpcInferResponseCompressionLevel,
    allowClientShm: options.allowClientShm,
    keepHeaderNames: options.httpHeaderForwardPattern !== '',
    ...LIMITS,
    jsonHealthBodies: options.jsonHealthBodies,
    diagnosticsApi: options.diagnosticsApi,
    metrics,
    real16Json: options.real16Json,
    logVerbose: options.logVerbose,
    logInfo: options.logInfo,
    logWarning: options.logWarning,
    logError: options.logError,
    logFormat: options.logFormat,
    logFile: options.logFile,
    accessLog: options.accessLog,
    accessLogEvery: options.accessLogEvery,
    serverTiming: options.serverTiming,
    orcaLoadMetrics: options.orcaLoadMetrics,
  };
}
