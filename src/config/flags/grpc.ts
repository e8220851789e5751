// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { address, bool, both, type Flag, ignored, integer, OWN_THREADS, port } from './flag.ts';

/** The gRPC port. */
export interface GrpcOptions {
  readonly allowGrpc: boolean;
  readonly grpcAddress: string;
  readonly grpcPort: number;
  readonly reuseGrpcPort: boolean;
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptyGrpcOptions: GrpcOptions = {
  allowGrpc: true,
  grpcAddress: '',
  grpcPort: 0,
  reuseGrpcPort: false,
};

export const grpcFlags: readonly Flag<GrpcOptions>[] = [
  {
    name: 'allow-grpc',
    group: 'GRPC',
    value: '<boolean>',
    help: 'Listen for gRPC requests.',
    defaults: both('true'),
    set: (draft, value) => {
      draft.allowGrpc = bool(value);
    },
  },
  {
    name: 'grpc-address',
    group: 'GRPC',
    value: '<string>',
    help: 'Address the gRPC port binds.',
    defaults: { tritonserver: '0.0.0.0', nereid: '127.0.0.1' },
    set: (draft, value) => {
      draft.grpcAddress = address(value);
    },
  },
  {
    name: 'grpc-port',
    group: 'GRPC',
    value: '<integer>',
    help: 'Port for gRPC requests; 0 takes a free one and the start line names it.',
    defaults: both('8001'),
    set: (draft, value) => {
      draft.grpcPort = port(value);
    },
  },
  {
    name: 'reuse-grpc-port',
    group: 'GRPC',
    value: '<boolean>',
    help: 'Let several servers listen on the same gRPC port when each has this flag.',
    defaults: both('false'),
    set: (draft, value) => {
      draft.reuseGrpcPort = bool(value);
    },
  },
  {
    ...ignored('grpc-infer-thread-count', 'GRPC', '<integer>', OWN_THREADS),
    set: (_, value) => {
      integer(value, 2, 128);
    },
  },
  ignored('grpc-infer-allocation-pool-size', 'GRPC', '<integer>', 'requests take no pooled state'),
];
