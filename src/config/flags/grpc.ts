// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import {
  address,
  bool,
  both,
  type Flag,
  FlagError,
  ignored,
  int32,
  OWN_THREADS,
  port,
  tritonWord,
} from './flag.ts';

/** The gRPC port. */
export interface GrpcOptions {
  readonly allowGrpc: boolean;
  readonly grpcAddress: string;
  readonly grpcPort: number;
  readonly reuseGrpcPort: boolean;
  /** RE2, without regard to case; empty = none */
  readonly grpcHeaderForwardPattern: string;
  /** answers of one stream that may wait for a slow client */
  readonly grpcMaxResponsePoolSize: number;
  readonly grpcInferResponseCompressionLevel: 'none' | 'low' | 'medium' | 'high';
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptyGrpcOptions: GrpcOptions = {
  allowGrpc: true,
  grpcAddress: '',
  grpcPort: 0,
  reuseGrpcPort: false,
  grpcHeaderForwardPattern: '',
  grpcMaxResponsePoolSize: 0,
  grpcInferResponseCompressionLevel: 'none',
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
    name: 'grpc-header-forward-pattern',
    group: 'GRPC',
    value: '<pattern>',
    help: 'Metadata whose key fits this regular expression becomes parameters of the infer request.',
    set: (draft, value) => {
      draft.grpcHeaderForwardPattern = value;
    },
  },
  ignored('grpc-infer-thread-count', 'GRPC', '<integer>', OWN_THREADS, (value) => {
    const count = int32(value);
    if (count >= 2 && count <= 128) return;
    throw new FlagError(
      'invalid argument for --grpc_infer_thread_count. Must be in the range 2 to 128.',
    );
  }),
  ignored(
    'grpc-infer-allocation-pool-size',
    'GRPC',
    '<integer>',
    'requests take no pooled state',
    int32,
  ),
  {
    name: 'grpc-max-response-pool-size',
    group: 'GRPC',
    value: '<integer>',
    help: 'Answers of one gRPC stream that may be on their way to a client that reads slowly; 1 MiB of them is the bound besides.',
    defaults: both('2147483647'),
    set: (draft, value) => {
      const count = int32(value);
      if (count <= 0) {
        throw new FlagError('Error: --grpc-max-response-pool-size must be greater than 0.');
      }
      draft.grpcMaxResponsePoolSize = count;
    },
  },
  {
    name: 'grpc-infer-response-compression-level',
    group: 'GRPC',
    value: '<string>',
    help: 'Compresses infer answers with what the client takes: none, low, medium, high.',
    defaults: both('none'),
    set: (draft, value) => {
      draft.grpcInferResponseCompressionLevel = tritonWord(
        'grpc_infer_response_compression_level',
        value,
        ['none', 'low', 'medium', 'high'],
      );
    },
  },
];
