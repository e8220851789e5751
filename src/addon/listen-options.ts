// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Service } from './routes.ts';

/** Life of an HTTP/2 connection, with the meaning of gRPC's channel arguments. A time of 0 means never, a number of 0 any. */
export interface KeepaliveOptions {
  /** silence after which the server pings */
  readonly pingAfterMs: number;
  /** silence after that ping which ends the connection */
  readonly pingTimeoutMs: number;
  readonly pingsWithoutCalls: boolean;
  /** between two pings of the client with nothing sent to it meanwhile; a shorter one is a strike */
  readonly minPingIntervalMs: number;
  readonly maxPingStrikes: number;
  readonly maxConnectionAgeMs: number;
  readonly maxConnectionAgeGraceMs: number;
}

/** What a PEM file holds; `name` appears in messages. */
export interface PemFile {
  readonly name: string;
  readonly pem: Uint8Array;
}

/** TLS 1.2 and 1.3 on a listener, with ALPN for its protocols. */
export interface TlsOptions {
  /** the server's certificate, then those that lead to its root */
  readonly certificate: PemFile;
  /** without a password */
  readonly key: PemFile;
  /** clients must show a certificate that one of these has signed; absent = they need none */
  readonly clientCa?: PemFile;
}

/** One listening socket. Port 0 picks a free one. */
export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  /** which service answers on this port */
  readonly service: Service;
  /** protocols recognised on it: HTTP/1.1, HTTP/2 (prior knowledge) or both */
  readonly protocols: readonly ('http1' | 'http2')[];
  readonly reusePort: boolean;
  /** absent = connections are not pinged and grow as old as they like */
  readonly keepalive?: KeepaliveOptions;
  /** absent = no TLS */
  readonly tls?: TlsOptions;
}

/** Where a listener is; `port` is the one it got. */
export interface ListenResult {
  readonly id: number;
  readonly host: string;
  readonly port: number;
}
