// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { backendFlags } from './flags/backend.ts';
import { executionFlags } from './flags/execution.ts';
import type { Flag } from './flags/flag.ts';
import { grpcFlags } from './flags/grpc.ts';
import { httpFlags } from './flags/http.ts';
import { limitsFlags } from './flags/limits.ts';
import { loggingFlags } from './flags/logging.ts';
import { metricsFlags } from './flags/metrics.ts';
import { processFlags } from './flags/process.ts';
import { repositoryFlags } from './flags/repository.ts';
import { setupFlags } from './flags/setup.ts';
import type { ServerOptions } from './options.ts';

/** Every flag of the server, in the order `--help` and docs/flags.md show them. */
export const serverFlags: readonly Flag<ServerOptions>[] = [
  ...processFlags,
  ...loggingFlags,
  ...repositoryFlags,
  ...httpFlags,
  ...grpcFlags,
  ...metricsFlags,
  ...backendFlags,
  ...limitsFlags,
  ...executionFlags,
  ...setupFlags,
];

const NOT_YET = 'this server does not have it yet';

/** Flags of Triton that are neither honoured nor harmless to ignore; refused by name so that nobody searches a typo. */
export const refusedTritonFlags: ReadonlyMap<string, string> = new Map([
  ['log-file', 'lines go to stderr; redirect it'],
  ['repository-poll-secs', 'the model control mode "poll" is not built yet'],
  ['strict-model-config', 'use --disable-auto-complete-config'],
  ['response-cache-byte-size', NOT_YET],
  ...[
    'model-config-name',
    'model-load-retry-count',
    'model-namespacing',
    'http-header-forward-pattern',
    'http-restricted-api',
    'grpc-header-forward-pattern',
    'grpc-max-response-pool-size',
    'grpc-use-ssl',
    'grpc-use-ssl-mutual',
    'grpc-server-cert',
    'grpc-server-key',
    'grpc-root-cert',
    'grpc-infer-response-compression-level',
    'grpc-restricted-protocol',
    'grpc-keepalive-time',
    'grpc-keepalive-timeout',
    'grpc-keepalive-permit-without-calls',
    'grpc-http2-max-pings-without-data',
    'grpc-http2-min-recv-ping-interval-without-data',
    'grpc-http2-max-ping-strikes',
    'grpc-max-connection-age',
    'grpc-max-connection-age-grace',
    'allow-sagemaker',
    'sagemaker-port',
    'sagemaker-safe-port-range',
    'sagemaker-thread-count',
    'allow-vertex-ai',
    'vertex-ai-port',
    'vertex-ai-thread-count',
    'vertex-ai-default-model',
    'trace-config',
    'trace-file',
    'trace-level',
    'trace-rate',
    'trace-count',
    'trace-log-frequency',
    'cache-config',
    'rate-limit',
    'rate-limit-resource',
    'cuda-virtual-address-size',
    'host-policy',
    'model-load-gpu-limit',
    'allow-client-shm',
  ].map((name): [string, string] => [name, NOT_YET]),
]);
