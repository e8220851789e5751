// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { type Flag, notEmpty } from './flag.ts';

/** TLS on the HTTP port. Paths of PEM files; empty = not given. */
export interface HttpsOptions {
  readonly httpsCert: string;
  readonly httpsKey: string;
  readonly httpsClientCa: string;
}

/** Before any flag is read. */
export const emptyHttpsOptions: HttpsOptions = { httpsCert: '', httpsKey: '', httpsClientCa: '' };

export const httpsFlags: readonly Flag<HttpsOptions>[] = [
  {
    name: 'https-cert',
    group: 'HTTP',
    value: '<path>',
    help: 'PEM file with the certificate of the HTTP port (and of the management port), then those that lead to its root: it speaks HTTPS only. Read again on SIGHUP, and within a minute of a change.',
    set: (draft, value) => {
      draft.httpsCert = notEmpty(value);
    },
  },
  {
    name: 'https-key',
    group: 'HTTP',
    value: '<path>',
    help: 'PEM file with the private key of --https-cert, without a password.',
    set: (draft, value) => {
      draft.httpsKey = notEmpty(value);
    },
  },
  {
    name: 'https-client-ca',
    group: 'HTTP',
    value: '<path>',
    help: 'PEM file with authorities: HTTPS clients must show a certificate that one of them has signed.',
    set: (draft, value) => {
      draft.httpsClientCa = notEmpty(value);
    },
  },
];
