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
  integer,
  OWN_THREADS,
  port,
} from './flag.ts';

/** The HTTP port. */
export interface HttpOptions {
  readonly allowHttp: boolean;
  readonly httpAddress: string;
  readonly httpPort: number;
  readonly reuseHttpPort: boolean;
  readonly httpMaxInputBytes: number;
  /** RE2, without regard to case; empty = none */
  readonly httpHeaderForwardPattern: string;
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptyHttpOptions: HttpOptions = {
  allowHttp: true,
  httpAddress: '',
  httpPort: 0,
  reuseHttpPort: false,
  httpMaxInputBytes: 0,
  httpHeaderForwardPattern: '',
};

export const httpFlags: readonly Flag<HttpOptions>[] = [
  {
    name: 'allow-http',
    group: 'HTTP',
    value: '<boolean>',
    help: 'Listen for HTTP requests.',
    defaults: both('true'),
    set: (draft, value) => {
      draft.allowHttp = bool(value);
    },
  },
  {
    name: 'http-address',
    group: 'HTTP',
    value: '<string>',
    help: 'Address the HTTP port binds.',
    defaults: { tritonserver: '0.0.0.0', nereid: '127.0.0.1' },
    set: (draft, value) => {
      draft.httpAddress = address(value);
    },
  },
  {
    name: 'http-port',
    group: 'HTTP',
    value: '<integer>',
    help: 'Port for HTTP requests; 0 takes a free one and the start line names it.',
    defaults: both('8000'),
    set: (draft, value) => {
      draft.httpPort = port(value);
    },
  },
  {
    name: 'reuse-http-port',
    group: 'HTTP',
    value: '<boolean>',
    help: 'Let several servers listen on the same HTTP port when each has this flag.',
    defaults: both('false'),
    set: (draft, value) => {
      draft.reuseHttpPort = bool(value);
    },
  },
  {
    name: 'http-max-input-size',
    group: 'HTTP',
    value: '<integer>',
    help: 'Largest JSON input in bytes. The binary tail of a request is bounded by --memory-limit.',
    defaults: both('67108864'),
    set: (draft, value) => {
      const bytes = integer(value, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
      if (bytes <= 0) throw new FlagError('Error: --http-max-input-size must be greater than 0.');
      draft.httpMaxInputBytes = bytes;
    },
  },
  {
    name: 'http-header-forward-pattern',
    group: 'HTTP',
    value: '<pattern>',
    help: 'Headers whose name fits this regular expression become parameters of the infer request.',
    set: (draft, value) => {
      draft.httpHeaderForwardPattern = value;
    },
  },
  ignored('http-thread-count', 'HTTP', '<integer>', OWN_THREADS, int32),
];
