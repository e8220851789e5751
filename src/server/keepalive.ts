// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { KeepaliveOptions } from '../addon/listen-options.ts';
import type { GrpcConnectionOptions } from '../config/flags/grpc-connection.ts';

/** What gRPC core takes for "never". */
const INT_MAX = 2 ** 31 - 1;

/** A time of gRPC core's channel arguments; `least` is what it takes for anything shorter. 0 for never. */
function time(ms: number, least: number): number {
  return ms === INT_MAX ? 0 : Math.max(ms, least);
}

/** An age as Triton hands it on: 0 is as if it were not given. */
function age(ms: number | undefined): number {
  return ms === undefined || ms === 0 ? 0 : time(ms, 1);
}

/** The connection flags in the addon's terms, where 0 means never or any number. */
export function keepaliveOf(options: GrpcConnectionOptions): KeepaliveOptions {
  return {
    pingAfterMs: time(options.grpcKeepaliveTimeMs, 1),
    pingTimeoutMs: time(options.grpcKeepaliveTimeoutMs, 1),
    pingsWithoutCalls: options.grpcKeepalivePermitWithoutCalls,
    minPingIntervalMs: Math.max(options.grpcHttp2MinRecvPingIntervalWithoutDataMs, 0),
    maxPingStrikes: Math.max(options.grpcHttp2MaxPingStrikes, 0),
    maxConnectionAgeMs: age(options.grpcMaxConnectionAgeMs),
    maxConnectionAgeGraceMs: age(options.grpcMaxConnectionAgeGraceMs),
  };
}
