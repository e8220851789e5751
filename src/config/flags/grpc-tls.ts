// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { bool, both, type Flag } from './flag.ts';

/** TLS on the gRPC port. Each file is PEM. */
export interface GrpcTlsOptions {
  readonly grpcUseSsl: boolean;
  /** clients must show a certificate of `grpcRootCert`; switches `grpcUseSsl` on, whatever the value, as Triton does */
  readonly grpcUseSslMutual: boolean;
  /** path; empty = not given */
  readonly grpcServerCert: string;
  readonly grpcServerKey: string;
  readonly grpcRootCert: string;
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptyGrpcTlsOptions: GrpcTlsOptions = {
  grpcUseSsl: false,
  grpcUseSslMutual: false,
  grpcServerCert: '',
  grpcServerKey: '',
  grpcRootCert: '',
};

export const grpcTlsFlags: readonly Flag<GrpcTlsOptions>[] = [
  {
    name: 'grpc-use-ssl',
    group: 'GRPC',
    value: '<boolean>',
    help: 'Serve gRPC over TLS, with --grpc-server-cert and --grpc-server-key.',
    defaults: both('false'),
    set: (draft, value) => {
      draft.grpcUseSsl = bool(value);
    },
  },
  {
    name: 'grpc-use-ssl-mutual',
    group: 'GRPC',
    value: '<boolean>',
    help: 'Serve gRPC over TLS and ask each client for its certificate; given at all, it switches --grpc-use-ssl on.',
    set: (draft, value) => {
      draft.grpcUseSslMutual = bool(value);
      draft.grpcUseSsl = true;
    },
  },
  {
    name: 'grpc-server-cert',
    group: 'GRPC',
    value: '<path>',
    help: "File with the server's certificate in PEM, then those that lead to its root. Read again on SIGHUP, and within a minute of a change.",
    set: (draft, value) => {
      draft.grpcServerCert = value;
    },
  },
  {
    name: 'grpc-server-key',
    group: 'GRPC',
    value: '<path>',
    help: "File with the server's private key in PEM, without a password.",
    set: (draft, value) => {
      draft.grpcServerKey = value;
    },
  },
  {
    name: 'grpc-root-cert',
    group: 'GRPC',
    value: '<path>',
    help: "File with the root certificates in PEM that clients' certificates are checked against, for --grpc-use-ssl-mutual.",
    set: (draft, value) => {
      draft.grpcRootCert = value;
    },
  },
];
