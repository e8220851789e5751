// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { type AccessOptions, emptyAccessOptions } from './flags/access.ts';
import { type BackendOptions, emptyBackendOptions } from './flags/backend.ts';
import { type CacheOptions, emptyCacheOptions } from './flags/cache.ts';
import { type DeviceOptions, emptyDeviceOptions } from './flags/device.ts';
import { type ExecutionOptions, emptyExecutionOptions } from './flags/execution.ts';
import type { Program } from './flags/flag.ts';
import { emptyGrpcOptions, type GrpcOptions } from './flags/grpc.ts';
import { emptyGrpcConnectionOptions, type GrpcConnectionOptions } from './flags/grpc-connection.ts';
import { emptyGrpcTlsOptions, type GrpcTlsOptions } from './flags/grpc-tls.ts';
import { emptyHttpOptions, type HttpOptions } from './flags/http.ts';
import { emptyHttpsOptions, type HttpsOptions } from './flags/https.ts';
import { emptyLimitsOptions, type LimitsOptions } from './flags/limits.ts';
import { emptyLoggingOptions, type LoggingOptions } from './flags/logging.ts';
import { emptyMetricsOptions, type MetricsOptions } from './flags/metrics.ts';
import { emptyProcessOptions, type ProcessOptions } from './flags/process.ts';
import { emptyRateLimitOptions, type RateLimitOptions } from './flags/rate-limit.ts';
import { emptyRepositoryOptions, type RepositoryOptions } from './flags/repository.ts';
import { emptyRestrictedOptions, type RestrictedOptions } from './flags/restricted.ts';
import { emptySagemakerOptions, type SagemakerOptions } from './flags/sagemaker.ts';
import { emptySetupOptions, type SetupOptions } from './flags/setup.ts';
import { emptyShmOptions, type ShmOptions } from './flags/shm.ts';
import { emptyTraceOptions, type TraceOptions } from './flags/trace.ts';
import { emptyVertexAiOptions, type VertexAiOptions } from './flags/vertex-ai.ts';

/** Everything the flags say. Defaults are those of the program's name: see docs/flags.md. */
export interface ServerOptions
  extends ProcessOptions,
    LoggingOptions,
    RepositoryOptions,
    HttpOptions,
    HttpsOptions,
    GrpcOptions,
    GrpcTlsOptions,
    GrpcConnectionOptions,
    RestrictedOptions,
    SagemakerOptions,
    VertexAiOptions,
    AccessOptions,
    MetricsOptions,
    TraceOptions,
    BackendOptions,
    CacheOptions,
    RateLimitOptions,
    DeviceOptions,
    ShmOptions,
    LimitsOptions,
    ExecutionOptions,
    SetupOptions {
  readonly program: Program;
}

/** While flags are read. */
export type OptionsDraft = { -readonly [K in keyof ServerOptions]: ServerOptions[K] };

/** The options before any default of a flag is set. */
export function emptyOptions(program: Program): OptionsDraft {
  return {
    program,
    ...emptyProcessOptions,
    ...emptyLoggingOptions,
    ...emptyRepositoryOptions,
    ...emptyHttpOptions,
    ...emptyHttpsOptions,
    ...emptyGrpcOptions,
    ...emptyGrpcTlsOptions,
    ...emptyGrpcConnectionOptions,
    ...emptyRestrictedOptions,
    ...emptyAccessOptions,
    ...emptySagemakerOptions,
    ...emptyVertexAiOptions,
    ...emptyMetricsOptions,
    ...emptyTraceOptions,
    ...emptyBackendOptions,
    ...emptyCacheOptions,
    ...emptyRateLimitOptions,
    ...emptyDeviceOptions,
    ...emptyShmOptions,
    ...emptyLimitsOptions,
    ...emptyExecutionOptions,
    ...emptySetupOptions,
  };
}
