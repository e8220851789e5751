// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import {
  address,
  bool,
  both,
  type Flag,
  FlagError,
  notEmpty,
  OPTIONAL_BOOLEAN,
  port,
} from './flag.ts';
import { RESTRICTED_CATEGORIES } from './restricted.ts';

/** What an API may be called where callers are told apart. */
const PUBLIC_CATEGORIES = [...RESTRICTED_CATEGORIES, 'docs', 'metrics'] as const;

export type PublicCategory = (typeof PUBLIC_CATEGORIES)[number];

/** Who may do what. Triton has none of these. */
export interface AccessOptions {
  /** JSON lines of API keys; empty = none */
  readonly apiKeysFile: string;
  /** where the keys that sign tokens are; at most one of the two is set */
  readonly jwtJwksUrl: string;
  readonly jwtJwksFile: string;
  /** what `iss` and `aud` must be; empty = anything */
  readonly jwtIssuer: string;
  readonly jwtAudience: string;
  readonly jwtAlgorithms: readonly string[];
  readonly jwtScopesClaim: string;
  /** empty = tokens are good for every model */
  readonly jwtModelsClaim: string;
  readonly authPublicApis: readonly PublicCategory[];
  /** empty = that of HTTP */
  readonly managementAddress: string;
  /** undefined = management is answered on the HTTP and gRPC ports */
  readonly managementPort: number | undefined;
  readonly corsOrigins: readonly string[];
  readonly httpRequestDeadlines: boolean;
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptyAccessOptions: AccessOptions = {
  apiKeysFile: '',
  jwtJwksUrl: '',
  jwtJwksFile: '',
  jwtIssuer: '',
  jwtAudience: '',
  jwtAlgorithms: [],
  jwtScopesClaim: '',
  jwtModelsClaim: '',
  authPublicApis: [],
  managementAddress: '',
  managementPort: undefined,
  corsOrigins: [],
  httpRequestDeadlines: false,
};

/** Those where the verifier's key cannot also be taken for a shared secret. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];

const words = (value: string): string[] => value.split(',').map((word) => word.trim());

function httpUrl(value: string): string {
  if (!URL.canParse(value) || !/^https?:$/.test(new URL(value).protocol)) {
    throw new FlagError(`Expected an http or https URL. Got ${value}`);
  }
  return value;
}

function origin(value: string): string {
  if (value === '*') return value;
  // A host may hold a star, but no page has such an origin: somebody takes it for a pattern.
  const isOrigin = URL.canParse(value) && new URL(value).origin === value;
  if (isOrigin && !value.includes('*')) return value;
  throw new FlagError(`Expected an origin as browsers write it, or *. Got ${value}`);
}

function knownWords<T extends string>(value: string, known: readonly T[]): T[] {
  return words(value).map((word) => {
    const found = known.find((one) => one === word);
    if (found === undefined)
      throw new FlagError(`Expected some of ${known.join(', ')}. Got ${word}`);
    return found;
  });
}

export const accessFlags: readonly Flag<AccessOptions>[] = [
  {
    name: 'api-keys-file',
    group: 'Access',
    value: '<path>',
    help: 'File of API keys, one JSON object a line; callers then need one, or a token. Read again when it changes.',
    set: (draft, value) => {
      draft.apiKeysFile = notEmpty(value);
    },
  },
  {
    name: 'jwt-jwks-url',
    group: 'Access',
    value: '<url>',
    help: 'Where the issuer of JWTs publishes its keys; callers then need a token, or an API key.',
    set: (draft, value) => {
      draft.jwtJwksUrl = httpUrl(value);
    },
  },
  {
    name: 'jwt-jwks-file',
    group: 'Access',
    value: '<path>',
    help: 'The same from a file, read again when it changes.',
    set: (draft, value) => {
      draft.jwtJwksFile = notEmpty(value);
    },
  },
  {
    name: 'jwt-issuer',
    group: 'Access',
    value: '<string>',
    help: 'What the claim iss of a token must be.',
    set: (draft, value) => {
      draft.jwtIssuer = value;
    },
  },
  {
    name: 'jwt-audience',
    group: 'Access',
    value: '<string>',
    help: 'What the claim aud of a token must hold.',
    set: (draft, value) => {
      draft.jwtAudience = value;
    },
  },
  {
    name: 'jwt-algorithms',
    group: 'Access',
    value: '<names>',
    help: `Signatures that are taken: ${ALGORITHMS.join(', ')}.`,
    defaults: both('RS256,PS256,ES256,ES384,EdDSA,Ed25519'),
    set: (draft, value) => {
      draft.jwtAlgorithms = knownWords(value, ALGORITHMS);
    },
  },
  {
    name: 'jwt-scopes-claim',
    group: 'Access',
    value: '<string>',
    help: 'Claim that holds the scopes infer, manage and metrics: a list, or words with spaces between them.',
    defaults: both('scope'),
    set: (draft, value) => {
      draft.jwtScopesClaim = notEmpty(value);
    },
  },
  {
    name: 'jwt-models-claim',
    group: 'Access',
    value: '<string>',
    help: 'Claim that lists the models a token is good for; without the flag a token is good for all of them.',
    set: (draft, value) => {
      draft.jwtModelsClaim = value;
    },
  },
  {
    name: 'auth-public-apis',
    group: 'Access',
    value: '<apis>',
    help: `APIs that need no key or token, or "none": ${PUBLIC_CATEGORIES.join(', ')}.`,
    defaults: both('health'),
    set: (draft, value) => {
      draft.authPublicApis = value === 'none' ? [] : knownWords(value, PUBLIC_CATEGORIES);
    },
  },
  {
    name: 'management-port',
    group: 'Access',
    value: '<integer>',
    help: 'Port on which alone the repository, shared memory, trace and log settings are managed, over HTTP and gRPC.',
    set: (draft, value) => {
      draft.managementPort = port(value);
    },
  },
  {
    name: 'management-address',
    group: 'Access',
    value: '<string>',
    help: 'Address the management port binds.',
    defaults: both('127.0.0.1'),
    set: (draft, value) => {
      draft.managementAddress = address(value);
    },
  },
  {
    name: 'cors-origins',
    group: 'Access',
    value: '<origins>',
    help: 'Origins whose pages may call the HTTP APIs from a browser, as in https://a.example, or *.',
    set: (draft, value) => {
      draft.corsOrigins = value === '' ? [] : words(value).map(origin);
    },
  },
  {
    name: 'http-request-deadlines',
    group: 'Access',
    value: OPTIONAL_BOOLEAN,
    help: 'Follow x-request-timeout-ms, grpc-timeout and x-envoy-expected-rq-timeout-ms of HTTP requests: 504 when it is over.',
    defaults: { tritonserver: 'false', nereid: 'true' },
    set: (draft, value) => {
      draft.httpRequestDeadlines = bool(value);
    },
  },
];
