// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { JWTPayload, JWTVerifyGetKey } from 'jose';
import type { TokenVerdict } from '../addon/access-policy.ts';
import { grpcNumber, ServeError } from '../base/status.ts';
import { knownScopes } from './api-keys.ts';

/** What is asked of a token. */
export interface TokenRules {
  readonly issuer: string;
  readonly audience: string;
  readonly algorithms: readonly string[];
  readonly scopesClaim: string;
  readonly modelsClaim: string;
}

/** Where the keys that sign tokens come from. */
export type KeySource = { readonly url: string } | { readonly keys: string };

/** The key source failed: nothing is said about the token. */
class KeysUnreachable extends Error {}

// Native remembers a verdict for so long. A key that its issuer takes back is so refused within five minutes.
const MOST_LIFETIME_MS = 300_000;
const BAD_LIFETIME_MS = 10_000;
const FETCH_TIMEOUT_MS = 5_000;
// Tokens that name a key nobody knows make the issuer be asked again, but not more often than this.
const REFETCH_MS = 10_000;
const KEYS_KEPT_MS = 600_000;
// After a failed fetch the issuer is left alone for a moment, however many tokens come.
const RETRY_MS = 1_000;
const CLOCK_TOLERANCE_SECS = 5;

const UNREACHABLE = 'the keys that sign tokens cannot be fetched now, retry later';
const NOT_VALID = 'the API key or token is not valid';

/** jose's names for what we say in words of our own; everything else is `not valid`. */
const REASONS: ReadonlyMap<string, string> = new Map([
  ['ERR_JWT_EXPIRED', 'the token has expired'],
  ['ERR_JWT_CLAIM_VALIDATION_FAILED', 'a claim of the token is missing or not accepted'],
]);

/** Verifies JWTs, each once at a time. */
export class TokenJudge {
  readonly #rules: TokenRules;
  readonly #running = new Map<string, Promise<TokenVerdict>>();
  #keys: Promise<JWTVerifyGetKey>;

  constructor(rules: TokenRules, source: KeySource) {
    this.#rules = rules;
    this.#keys = openKeys(source);
    this.#keys.catch(() => undefined);
  }

  /**
   * Takes other keys from now on; those of the old source stay when the new one is no key set.
   * @throws ServeError InvalidArgument
   */
  async replaceKeys(source: KeySource): Promise<void> {
    const keys = await openKeys(source);
    this.#keys = Promise.resolve(keys);
  }

  /**
   * Resolves when the verifier is loaded and the key set was read.
   * @throws ServeError InvalidArgument, or Internal that says what to install
   */
  async ready(): Promise<void> {
    await this.#keys;
  }

  /** Never rejects. */
  judge(token: string): Promise<TokenVerdict> {
    const running = this.#running.get(token);
    if (running !== undefined) return running;
    const verdict = this.#judge(token).finally(() => this.#running.delete(token));
    this.#running.set(token, verdict);
    return verdict;
  }

  async #judge(token: string): Promise<TokenVerdict> {
    try {
      const { jwtVerify } = await loadJose();
      const { issuer, audience, algorithms } = this.#rules;
      const { payload } = await jwtVerify(token, await this.#keys, {
        algorithms: [...algorithms],
        clockTolerance: CLOCK_TOLERANCE_SECS,
        requiredClaims: ['exp'],
        ...(issuer === '' ? {} : { issuer }),
        ...(audience === '' ? {} : { audience }),
      });
      return this.#accept(payload);
    } catch (error) {
      return refuse(error);
    }
  }

  #accept(payload: JWTPayload): TokenVerdict {
    const { scopesClaim, modelsClaim } = this.#rules;
    const leftMs = (payload.exp ?? 0) * 1000 - Date.now();
    return {
      code: 0,
      scopes: knownScopes(words(payload[scopesClaim])),
      models: modelsClaim === '' ? ['*'] : words(payload[modelsClaim]),
      lifetimeMs: Math.floor(Math.min(Math.max(leftMs, 0), MOST_LIFETIME_MS)),
    };
  }
}

function refuse(error: unknown): TokenVerdict {
  if (error instanceof KeysUnreachable || error instanceof ServeError) {
    return { code: grpcNumber('Unavailable'), message: UNREACHABLE, lifetimeMs: 0 };
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const message = REASONS.get(code) ?? NOT_VALID;
  return { code: grpcNumber('Unauthenticated'), message, lifetimeMs: BAD_LIFETIME_MS };
}

function words(claim: unknown): string[] {
  if (typeof claim === 'string') return claim.split(' ').filter((word) => word !== '');
  return Array.isArray(claim) ? claim.filter((one) => typeof one === 'string') : [];
}

async function openKeys(source: KeySource): Promise<JWTVerifyGetKey> {
  const jose = await loadJose();
  if ('keys' in source) {
    try {
      return jose.createLocalJWKSet(JSON.parse(source.keys));
    } catch (cause) {
      throw new ServeError('InvalidArgument', 'the JWKS file holds no JSON Web Key Set', { cause });
    }
  }
  const fetchKeys = jose.createRemoteJWKSet(new URL(source.url), {
    timeoutDuration: FETCH_TIMEOUT_MS,
    cooldownDuration: REFETCH_MS,
    cacheMaxAge: KEYS_KEPT_MS,
  });
  let retryAt = 0;
  return async (header, token) => {
    if (Date.now() < retryAt) throw new KeysUnreachable();
    try {
      return await fetchKeys(header, token);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      const isAnswer = /^ERR_JWKS_(?:NO|MULTIPLE)_MATCHING_KEYS?$|^ERR_JOSE_NOT_SUPPORTED$/.test(
        code,
      );
      if (isAnswer) throw error;
      retryAt = Date.now() + RETRY_MS;
      throw new KeysUnreachable('', { cause: error });
    }
  };
}

/** Loaded only where tokens are taken: no other start needs its code. */
async function loadJose(): Promise<typeof import('jose')> {
  try {
    return await import('jose');
  } catch (cause) {
    throw new ServeError(
      'Internal',
      'tokens need the package jose, which is not installed: run `npm install jose`',
      { cause },
    );
  }
}
