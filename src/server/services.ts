// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Service } from '../addon/routes.ts';
import { ServeError } from '../base/status.ts';
import { metricsHost } from '../config/options.ts';
import type { ServerOptions } from '../config/server-options.ts';
import { grpcTlsFiles, httpTlsFiles, type TlsFiles } from '../config/tls-files.ts';
import { keepaliveOf } from './keepalive.ts';

/** Services that the flags left on, in the order their ports open. */
export function enabledServices(options: ServerOptions): Service[] {
  const all: [Service, boolean][] = [
    ['grpc', options.allowGrpc],
    ['http', options.allowHttp],
    ['sagemaker', options.allowSagemaker],
    ['vertex-ai', options.allowVertexAi],
    ['metrics', options.allowMetrics],
    ['management', options.managementPort !== undefined],
  ];
  return all.filter(([, isOn]) => isOn).map(([service]) => service);
}

/** Certificates of a service; undefined where it has none. */
export function tlsFiles(service: Service, options: ServerOptions): TlsFiles | undefined {
  switch (service) {
    case 'http':
    case 'management':
      return httpTlsFiles(options);
    case 'grpc':
      return grpcTlsFiles(options);
    case 'metrics':
    case 'sagemaker':
    case 'vertex-ai':
      return undefined;
  }
}

/** How the options want a service to listen. */
export function listenOptions(service: Service, options: ServerOptions) {
  const both = ['http1', 'http2'] as const;
  switch (service) {
    case 'http':
      return {
        service,
        host: options.httpAddress,
        port: options.httpPort,
        protocols: options.singleProtocolPorts ? (['http1'] as const) : both,
        reusePort: options.reuseHttpPort,
      };
    case 'grpc':
      return {
        service,
        host: options.grpcAddress,
        port: options.grpcPort,
        protocols: options.singleProtocolPorts ? (['http2'] as const) : both,
        reusePort: options.reuseGrpcPort,
        keepalive: keepaliveOf(options),
      };
    case 'sagemaker':
      return {
        service,
        host: options.sagemakerAddress,
        port: options.sagemakerPort,
        protocols: ['http1'] as const,
        reusePort: false,
      };
    case 'vertex-ai':
      return {
        service,
        host: options.vertexAiAddress,
        port: options.vertexAiPort,
        protocols: ['http1'] as const,
        reusePort: false,
      };
    case 'metrics':
      return {
        service,
        host: metricsHost(options),
        port: options.metricsPort,
        protocols: ['http1'] as const,
        reusePort: false,
      };
    case 'management':
      return {
        service,
        host: options.managementAddress,
        port: options.managementPort ?? 0,
        protocols: both,
        reusePort: false,
      };
  }
}

/** Why a port did not open, by the flag that names it. */
export function listenFailure(
  service: Service,
  host: string,
  port: number,
  thrown: unknown,
): ServeError {
  const error = ServeError.from(thrown);
  // The threads that listen open it first: no other port would help.
  if (error.message.includes('(--access-log)')) return error;
  const where = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const isTaken = /EADDRINUSE|in use/i.test(error.message);
  const reason = isTaken ? 'another program listens there' : error.message;
  return new ServeError(
    'Unavailable',
    `cannot listen on ${where} (--${service}-port): ${reason}; choose another with --${service}-port`,
    { cause: error },
  );
}
