// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { GrpcTlsOptions } from './flags/grpc-tls.ts';
import type { HttpsOptions } from './flags/https.ts';

/** Files of a port that speaks TLS, each with the flag that names it. */
export interface TlsFiles {
  readonly certificate: TlsFilePath;
  readonly key: TlsFilePath;
  /** absent = clients need no certificate */
  readonly clientCa?: TlsFilePath;
}

export interface TlsFilePath {
  readonly flag: string;
  readonly path: string;
}

/** @returns undefined when the gRPC port speaks no TLS */
export function grpcTlsFiles(options: GrpcTlsOptions): TlsFiles | undefined {
  // Whoever asks for clients' certificates does not get an open port, in whatever order the flags come.
  if (!options.grpcUseSsl && !options.grpcUseSslMutual) return undefined;
  const certificate = { flag: 'grpc-server-cert', path: options.grpcServerCert };
  const key = { flag: 'grpc-server-key', path: options.grpcServerKey };
  const clientCa = { flag: 'grpc-root-cert', path: options.grpcRootCert };
  return options.grpcUseSslMutual ? { certificate, key, clientCa } : { certificate, key };
}

/** @returns undefined when the HTTP port speaks no TLS */
export function httpTlsFiles(options: HttpsOptions): TlsFiles | undefined {
  if (options.httpsCert === '' && options.httpsKey === '' && options.httpsClientCa === '') {
    return undefined;
  }
  const certificate = { flag: 'https-cert', path: options.httpsCert };
  const key = { flag: 'https-key', path: options.httpsKey };
  const clientCa = { flag: 'https-client-ca', path: options.httpsClientCa };
  return options.httpsClientCa === '' ? { certificate, key } : { certificate, key, clientCa };
}

export function usesTls(options: GrpcTlsOptions & HttpsOptions): boolean {
  return grpcTlsFiles(options) !== undefined || httpTlsFiles(options) !== undefined;
}

/** @returns a sentence about a file that TLS needs and no flag names */
export function findMissingTlsFile(options: GrpcTlsOptions & HttpsOptions): string | undefined {
  const grpcFlag = options.grpcUseSslMutual ? 'grpc-use-ssl-mutual' : 'grpc-use-ssl';
  const ports = [
    { asks: `'--${grpcFlag}'`, files: grpcTlsFiles(options) },
    { asks: 'HTTPS', files: httpTlsFiles(options) },
  ];
  for (const { asks, files } of ports) {
    const all = files === undefined ? [] : [files.certificate, files.key, files.clientCa];
    const missing = all.find((file) => file?.path === '');
    if (missing !== undefined) {
      return `Error: Use of ${asks} requires setting '--${missing.flag}=<PEM file>' as well.`;
    }
  }
  return undefined;
}
