// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { type Flag, FlagError, namedSetting } from './flag.ts';

/** What a restriction may name. */
export const RESTRICTED_CATEGORIES = [
  'health',
  'metadata',
  'inference',
  'shared-memory',
  'model-config',
  'model-repository',
  'statistics',
  'trace',
  'logging',
] as const;

export type RestrictedCategory = (typeof RESTRICTED_CATEGORIES)[number];

/** Calls of `category` are answered only when header `key` has `value`. Each category is listed once at most. */
export interface Restriction {
  readonly category: RestrictedCategory;
  /** name of a header as written; for gRPC with the prefix `triton-grpc-protocol-` */
  readonly key: string;
  readonly value: string;
}

/** Parts of the protocol that need a header. */
export interface RestrictedOptions {
  readonly httpRestrictedApis: readonly Restriction[];
  readonly grpcRestrictedProtocols: readonly Restriction[];
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptyRestrictedOptions: RestrictedOptions = {
  httpRestrictedApis: [],
  grpcRestrictedProtocols: [],
};

/** Triton's `kRestrictedProtocolHeaderTemplate`. */
const GRPC_PREFIX = 'triton-grpc-protocol-';

export const restrictedFlags: readonly Flag<RestrictedOptions>[] = [
  {
    name: 'http-restricted-api',
    group: 'HTTP',
    value: '<apis>:<key>=<value>',
    help: `APIs, with commas between them, that need the header <key> with <value>: ${RESTRICTED_CATEGORIES.join(', ')}.`,
    repeats: true,
    set: (draft, value) => {
      draft.httpRestrictedApis = restrict(
        draft.httpRestrictedApis,
        value,
        'http-restricted-api',
        'api',
      );
    },
  },
  {
    name: 'grpc-restricted-protocol',
    group: 'GRPC',
    value: '<protocols>:<key>=<value>',
    help: `Protocols, with commas between them, that need the metadata ${GRPC_PREFIX}<key> with <value>; the same names.`,
    repeats: true,
    set: (draft, value) => {
      draft.grpcRestrictedProtocols = restrict(
        draft.grpcRestrictedProtocols,
        value,
        'grpc-restricted-protocol',
        'protocol',
        GRPC_PREFIX,
      );
    },
  },
];

function restrict(
  before: readonly Restriction[],
  value: string,
  flag: string,
  what: 'api' | 'protocol',
  prefix = '',
): Restriction[] {
  const { name, key, value: wanted } = namedSetting(flag, value, ':', 'config name');
  const result = [...before];
  for (const word of name.split(',')) {
    const category = RESTRICTED_CATEGORIES.find((known) => known === word);
    if (category === undefined) throw new FlagError(`unknown restricted ${what} '${word}' `);
    if (result.some((restriction) => restriction.category === category)) {
      throw new FlagError(
        `restricted ${what} '${word}' can not be specified in multiple config groups`,
      );
    }
    result.push({ category, key: prefix + key, value: wanted });
  }
  return result;
}
