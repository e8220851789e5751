// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { findCacheProblem } from './response-cache.ts';
import type { ServerOptions } from './server-options.ts';
import { findMissingTlsFile } from './tls-files.ts';

const TAKES_LOAD_MODEL = new Set<string>(['explicit', 'on-demand']);

/**
 * What is wrong with a set of options that are right one by one.
 * @returns a sentence, or undefined
 */
export function findConflict(options: ServerOptions): string | undefined {
  if (options.loadModels.length > 0 && !TAKES_LOAD_MODEL.has(options.modelControlMode)) {
    return "Error: Use of '--load-model' requires setting '--model-control-mode=explicit' as well.";
  }
  if (options.responseCacheBytes !== undefined && options.cacheConfig.length > 0) {
    return (
      'Error: Incompatible flags --response-cache-byte-size and --cache-config both provided. ' +
      'Please provide one or the other.'
    );
  }
  const cacheProblem = findCacheProblem(options);
  if (cacheProblem !== undefined) return cacheProblem;
  if (options.jwtJwksUrl !== '' && options.jwtJwksFile !== '') {
    return 'Error: --jwt-jwks-url and --jwt-jwks-file were both given. Please provide one or the other.';
  }
  return findMissingTlsFile(options) ?? findPortCollision(options);
}

interface Service {
  readonly on: boolean;
  readonly what: string;
  readonly host: string;
  readonly port: number;
  /** ports that the other services must be within */
  readonly othersWithin?: readonly [number, number] | undefined;
}

function findPortCollision(options: ServerOptions): string | undefined {
  const services = servicesOf(options).filter(({ on, port }) => on && port !== 0);
  for (const [i, one] of services.entries()) {
    const others = services.filter((other, j) => other !== one && (j > i || one.othersWithin));
    for (const other of others) {
      const problem = clash(one, other);
      if (problem !== undefined) return problem;
    }
  }
  return undefined;
}

function clash(one: Service, other: Service): string | undefined {
  if (!addressesOverlap(one.host, other.host)) return undefined;
  const [first, last] = one.othersWithin ?? [0, Number.POSITIVE_INFINITY];
  if (other.port < first || other.port > last) {
    return (
      `The server cannot listen to ${other.what} requests at port ${other.port}, ` +
      `allowed port range is [${first}, ${last}]`
    );
  }
  if (one.port !== other.port) return undefined;
  return (
    `The server cannot listen to ${one.what} requests and ${other.what} requests ` +
    `at the same address and port ${one.host}:${one.port}`
  );
}

function servicesOf(options: ServerOptions): Service[] {
  return [
    { on: options.allowHttp, what: 'HTTP', host: options.httpAddress, port: options.httpPort },
    { on: options.allowGrpc, what: 'GRPC', host: options.grpcAddress, port: options.grpcPort },
    {
      on: options.allowMetrics,
      what: 'metrics',
      host: metricsHost(options),
      port: options.metricsPort,
    },
    {
      on: options.managementPort !== undefined,
      what: 'management',
      host: options.managementAddress,
      port: options.managementPort ?? 0,
    },
    {
      on: options.allowSagemaker,
      what: 'SageMaker',
      host: options.sagemakerAddress,
      port: options.sagemakerPort,
      othersWithin: options.sagemakerSafePortRange,
    },
    {
      on: options.allowVertexAi,
      what: 'Vertex AI',
      host: options.vertexAiAddress,
      port: options.vertexAiPort,
    },
  ];
}

/** Address of the metrics port: the HTTP port's unless it was given. */
export function metricsHost(options: ServerOptions): string {
  return options.metricsAddress === '' ? options.httpAddress : options.metricsAddress;
}

const ANY_ADDRESS = new Set(['0.0.0.0', '::', '[::]', '']);

function addressesOverlap(a: string, b: string): boolean {
  return a === b || ANY_ADDRESS.has(a) || ANY_ADDRESS.has(b);
}
