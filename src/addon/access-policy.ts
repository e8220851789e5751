// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Api } from './routes.ts';

/** A category of APIs that wants a header with a value. */
export interface RestrictedApi {
  readonly protocol: 'http' | 'grpc';
  readonly api: Api;
  /** as it stands in the request, prefix included */
  readonly header: string;
  readonly value: string;
}

/** What a key or a token can be good for; see docs/access.md. */
export type Scope = 'infer' | 'manage' | 'metrics';

/** What the holder of a key or a token may do. */
export interface Grant {
  readonly scopes: readonly Scope[];
  /** names of models; a `*` at the end stands for any ending */
  readonly models: readonly string[];
}

/** A key that native knows by its digest. */
export interface ApiKey extends Grant {
  /** of the key, 64 hexadecimal digits */
  readonly sha256: string;
}

/** Who may use which route. Immutable; swapped on every I/O thread like the dispatch table. */
export interface AccessPolicy {
  readonly restricted: readonly RestrictedApi[];
  /** RE2; headers of infer calls that become parameters of the request; empty = none */
  readonly httpForwardPattern: string;
  readonly grpcForwardPattern: string;
  /** callers need a key or a token, but for `publicApis` */
  readonly needsKey: boolean;
  readonly keys: readonly ApiKey[];
  /** JWTs that are no key go to `onTokens` */
  readonly takesTokens: boolean;
  readonly publicApis: readonly Api[];
  /** APIs that manage answer on listeners of service `management` only */
  readonly hasManagementPort: boolean;
  /** origins that browsers may call from, `*` = any; empty = no CORS */
  readonly corsOrigins: readonly string[];
  /** HTTP requests may name a deadline in a header */
  readonly takesDeadlines: boolean;
}

/** A token that native has not seen, or not lately. Answer each once with `replyToken`. */
export interface TokenInquiry {
  readonly inquiry: number;
  readonly token: string;
}

/** What a token is worth, and for how long native may remember it; 0 = not at all. */
export type TokenVerdict =
  | (Grant & { readonly code: 0; readonly lifetimeMs: number })
  | { readonly code: number; readonly message: string; readonly lifetimeMs: number };
