// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { address, bool, both, type Flag, ignored, integer, OWN_THREADS, port } from './flag.ts';

/** The HTTP port. */
export interface HttpOptions {
  readonly allowHttp: boolean;
  readonly httpAddress: string;
  readonly httpPort: number;
  readonly reuseHttpPort: boolean;
  readonly httpMaxInputBytes: number;
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptyHttpOptions: HttpOptions = {
  allowHttp: true,
  httpAddress: '',
  httpPort: 0,
  reuseHttpPort: false,
  httpMaxInputBytes: 0,
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
      draft.httpMaxInputBytes = integer(value, 1, Number.MAX_SAFE_INTEGER);
    },
  },
  ignored('http-thread-count', 'HTTP', '<integer>', OWN_THREADS),
];
