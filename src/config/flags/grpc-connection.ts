// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { bool, both, type Flag, int32 } from './flag.ts';

/** Life of a gRPC connection, as gRPC core has it. */
export interface GrpcConnectionOptions {
  readonly grpcKeepaliveTimeMs: number;
  readonly grpcKeepaliveTimeoutMs: number;
  readonly grpcKeepalivePermitWithoutCalls: boolean;
  /** 0 = no limit */
  readonly grpcHttp2MaxPingsWithoutData: number;
  readonly grpcHttp2MinRecvPingIntervalWithoutDataMs: number;
  /** 0 = no limit */
  readonly grpcHttp2MaxPingStrikes: number;
  /** undefined = for ever */
  readonly grpcMaxConnectionAgeMs: number | undefined;
  /** undefined = for ever */
  readonly grpcMaxConnectionAgeGraceMs: number | undefined;
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptyGrpcConnectionOptions: GrpcConnectionOptions = {
  grpcKeepaliveTimeMs: 0,
  grpcKeepaliveTimeoutMs: 0,
  grpcKeepalivePermitWithoutCalls: false,
  grpcHttp2MaxPingsWithoutData: 0,
  grpcHttp2MinRecvPingIntervalWithoutDataMs: 0,
  grpcHttp2MaxPingStrikes: 0,
  grpcMaxConnectionAgeMs: undefined,
  grpcMaxConnectionAgeGraceMs: undefined,
};

export const grpcConnectionFlags: readonly Flag<GrpcConnectionOptions>[] = [
  {
    name: 'grpc-keepalive-time',
    group: 'GRPC',
    value: '<integer>',
    help: 'Milliseconds of silence after which the server pings a gRPC client; 2147483647 means never.',
    defaults: both('7200000'),
    set: (draft, value) => {
      draft.grpcKeepaliveTimeMs = int32(value);
    },
  },
  {
    name: 'grpc-keepalive-timeout',
    group: 'GRPC',
    value: '<integer>',
    help: 'Milliseconds the answer to that ping may take before the connection is closed.',
    defaults: both('20000'),
    set: (draft, value) => {
      draft.grpcKeepaliveTimeoutMs = int32(value);
    },
  },
  {
    name: 'grpc-keepalive-permit-without-calls',
    group: 'GRPC',
    value: '<boolean>',
    help: 'Ping also while no call is in flight, and let clients do so.',
    defaults: both('0'),
    set: (draft, value) => {
      draft.grpcKeepalivePermitWithoutCalls = bool(value);
    },
  },
  {
    name: 'grpc-http2-max-pings-without-data',
    group: 'GRPC',
    value: '<integer>',
    help: 'Without effect, as with Triton: servers of gRPC go on to ping without data between.',
    defaults: both('2'),
    set: (draft, value) => {
      draft.grpcHttp2MaxPingsWithoutData = int32(value);
    },
  },
  {
    name: 'grpc-http2-min-recv-ping-interval-without-data',
    group: 'GRPC',
    value: '<integer>',
    help: 'Milliseconds that must lie between two pings of a client with nothing sent to it meanwhile; a shorter gap is a strike.',
    defaults: both('300000'),
    set: (draft, value) => {
      draft.grpcHttp2MinRecvPingIntervalWithoutDataMs = int32(value);
    },
  },
  {
    name: 'grpc-http2-max-ping-strikes',
    group: 'GRPC',
    value: '<integer>',
    help: 'More strikes than this close the connection with GOAWAY too_many_pings; 0 means never.',
    defaults: both('2'),
    set: (draft, value) => {
      draft.grpcHttp2MaxPingStrikes = int32(value);
    },
  },
  {
    name: 'grpc-max-connection-age',
    group: 'GRPC',
    value: '<integer>',
    help: 'Milliseconds, 10 % more or less, after which a gRPC connection is asked to end (GOAWAY).',
    set: (draft, value) => {
      draft.grpcMaxConnectionAgeMs = int32(value);
    },
  },
  {
    name: 'grpc-max-connection-age-grace',
    group: 'GRPC',
    value: '<integer>',
    help: 'Milliseconds its calls may take from then on; for ever unless given.',
    set: (draft, value) => {
      draft.grpcMaxConnectionAgeGraceMs = int32(value);
    },
  },
];
