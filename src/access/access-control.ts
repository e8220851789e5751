// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { AccessPolicy, ApiKey, TokenInquiry } from '../addon/access-policy.ts';
import type { Engine } from '../addon/types.ts';
import type { Log } from '../base/log.ts';
import { ServeError } from '../base/status.ts';
import type { ServerOptions } from '../config/server-options.ts';
import { parseApiKeys } from './api-keys.ts';
import { TokenJudge } from './token-judge.ts';
import { WatchedFile } from './watched-file.ts';

/** What the flags and the keys say about who may do what, as native takes it. */
function accessPolicy(options: ServerOptions, keys: readonly ApiKey[]): AccessPolicy {
  const takesTokens = options.jwtJwksUrl !== '' || options.jwtJwksFile !== '';
  return {
    restricted: [
      ...options.httpRestrictedApis.map((one) => ({ protocol: 'http' as const, ...one })),
      ...options.grpcRestrictedProtocols.map((one) => ({ protocol: 'grpc' as const, ...one })),
    ].map(({ protocol, category, key, value }) => ({
      protocol,
      api: category,
      header: key,
      value,
    })),
    httpForwardPattern: options.httpHeaderForwardPattern,
    grpcForwardPattern: options.grpcHeaderForwardPattern,
    needsKey: takesTokens || options.apiKeysFile !== '',
    keys,
    takesTokens,
    publicApis: options.authPublicApis,
    hasManagementPort: options.managementPort !== undefined,
    corsOrigins: options.corsOrigins,
    takesDeadlines: options.httpRequestDeadlines,
  };
}

/** Compiles the flags into the policy that native asks at every request's head, and keeps it up to date. */
export class AccessControl implements Disposable {
  readonly #engine: Engine;
  readonly #options: ServerOptions;
  readonly #log: Pick<Log, 'info' | 'error'>;
  readonly #files: WatchedFile[] = [];
  readonly #judge: TokenJudge | undefined;

  /**
   * The policy is in force when this returns.
   * @throws ServeError InvalidArgument that says what is wrong with a file or a pattern
   */
  constructor(engine: Engine, options: ServerOptions, log: Pick<Log, 'info' | 'error'>) {
    this.#engine = engine;
    this.#options = options;
    this.#log = log;
    this.#setPolicy(this.#watch(options.apiKeysFile, 'API keys', (text) => this.#setPolicy(text)));
    this.#judge = this.#makeJudge();
    engine.onTokens((inquiries) => {
      for (const inquiry of inquiries) void this.#answer(inquiry);
    });
  }

  /** @throws ServeError when tokens cannot be judged: the verifier or the file of keys is no good */
  async ready(): Promise<void> {
    await this.#judge?.ready();
  }

  [Symbol.dispose](): void {
    for (const file of this.#files) file[Symbol.dispose]();
  }

  #makeJudge(): TokenJudge | undefined {
    const { jwtJwksUrl: url, jwtJwksFile: path } = this.#options;
    if (url === '' && path === '') return undefined;
    const rules = {
      issuer: this.#options.jwtIssuer,
      audience: this.#options.jwtAudience,
      algorithms: this.#options.jwtAlgorithms,
      scopesClaim: this.#options.jwtScopesClaim,
      modelsClaim: this.#options.jwtModelsClaim,
    };
    if (url !== '') return new TokenJudge(rules, { url });
    const keys = this.#watch(path, 'JWKS', (text) => void this.#replaceTokenKeys(text));
    return new TokenJudge(rules, { keys });
  }

  /** @returns what the file holds now; empty without a file */
  #watch(path: string, what: string, changed: (text: string) => void): string {
    if (path === '') return '';
    const take = (text: string): void => {
      changed(text);
      this.#log.info(`${what}: ${path} has changed and was read again`);
    };
    const file = new WatchedFile(path, take, (error) => this.#keep(what, error));
    this.#files.push(file);
    return file.text;
  }

  #setPolicy(keysText: string): void {
    const policy = accessPolicy(this.#options, parseApiKeys(keysText));
    this.#engine.setPolicy(policy).catch((error: unknown) => {
      this.#log.error(`access: ${ServeError.from(error).message}`);
    });
  }

  async #replaceTokenKeys(keys: string): Promise<void> {
    try {
      await this.#judge?.replaceKeys({ keys });
    } catch (error) {
      this.#keep('JWKS', ServeError.from(error));
    }
  }

  #keep(what: string, error: ServeError): void {
    this.#log.error(`${what}: ${error.message}; what was read before stays in force`);
  }

  async #answer({ inquiry, token }: TokenInquiry): Promise<void> {
    const verdict = await this.#judge?.judge(token);
    if (verdict === undefined) return;
    try {
      this.#engine.replyToken(inquiry, verdict);
    } catch (error) {
      this.#log.error(`access: ${ServeError.from(error).message}`);
    }
  }
}
