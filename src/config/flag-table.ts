// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { accessFlags } from './flags/access.ts';
import { backendFlags } from './flags/backend.ts';
import { cacheFlags, deprecatedCacheFlags } from './flags/cache.ts';
import { deviceFlags } from './flags/device.ts';
import { executionFlags } from './flags/execution.ts';
import type { Flag } from './flags/flag.ts';
import { grpcFlags } from './flags/grpc.ts';
import { grpcConnectionFlags } from './flags/grpc-connection.ts';
import { grpcTlsFlags } from './flags/grpc-tls.ts';
import { httpFlags } from './flags/http.ts';
import { httpsFlags } from './flags/https.ts';
import { limitsFlags } from './flags/limits.ts';
import { loggingFlags } from './flags/logging.ts';
import { metricsFlags } from './flags/metrics.ts';
import { processFlags } from './flags/process.ts';
import { rateLimitFlags } from './flags/rate-limit.ts';
import { deprecatedRepositoryFlags, repositoryFlags } from './flags/repository.ts';
import { restrictedFlags } from './flags/restricted.ts';
import { sagemakerFlags } from './flags/sagemaker.ts';
import { setupFlags } from './flags/setup.ts';
import { shmFlags } from './flags/shm.ts';
import { deprecatedTraceFlags, traceFlags } from './flags/trace.ts';
import { vertexAiFlags } from './flags/vertex-ai.ts';
import type { ServerOptions } from './server-options.ts';

/** Every flag of the server, in the order `--help` and docs/flags.md show them. */
export const serverFlags: readonly Flag<ServerOptions>[] = [
  ...processFlags,
  ...loggingFlags,
  ...repositoryFlags,
  ...httpFlags,
  ...httpsFlags,
  ...grpcFlags,
  ...grpcTlsFlags,
  ...grpcConnectionFlags,
  ...restrictedFlags,
  ...sagemakerFlags,
  ...vertexAiFlags,
  ...accessFlags,
  ...metricsFlags,
  ...traceFlags,
  ...backendFlags,
  ...cacheFlags,
  ...rateLimitFlags,
  ...deviceFlags,
  ...shmFlags,
  ...limitsFlags,
  ...executionFlags,
  ...setupFlags,
  ...deprecatedRepositoryFlags,
  ...deprecatedCacheFlags,
  ...deprecatedTraceFlags,
];
