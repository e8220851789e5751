// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type CryptoKey,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWK,
  type JWTPayload,
  SignJWT,
} from 'jose';

export const ISSUER = 'https://issuer.test';
export const AUDIENCE = 'inference';

interface SigningKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly jwk: JWK;
}

/** Signs tokens and publishes its keys over HTTP on loopback. */
export class TokenIssuer implements AsyncDisposable {
  readonly url: string;
  /** how often the key set was fetched */
  fetches = 0;
  /** what the key set answers; `undefined` = the keys */
  failure: { readonly status: number; readonly body: string } | undefined;
  readonly #server: Server;
  #published: SigningKey[];
  #current: SigningKey;
  #made = 1;

  private constructor(server: Server, first: SigningKey) {
    this.#server = server;
    this.#published = [first];
    this.#current = first;
    const { port } = server.address() as AddressInfo;
    this.url = `http://127.0.0.1:${port}/jwks.json`;
    server.on('request', (_, response) => {
      this.fetches += 1;
      response.writeHead(this.failure?.status ?? 200, { 'content-type': 'application/json' });
      response.end(this.failure?.body ?? this.keySet());
    });
  }

  static async start(): Promise<TokenIssuer> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TokenIssuer(server, await makeKey('1', 'RS256'));
  }

  /** The JWKS as text. */
  keySet(): string {
    return JSON.stringify({ keys: this.#published.map(({ jwk }) => jwk) });
  }

  /** The key in force, in PEM: what a forger would take for a shared secret. */
  publicPem(): Promise<string> {
    return exportSPKI(this.#current.publicKey);
  }

  /** Signs with a new key from now on. @param keepsOld the old one stays published */
  async rotate(keepsOld: boolean, alg = 'RS256'): Promise<void> {
    this.#made += 1;
    this.#current = await makeKey(String(this.#made), alg);
    this.#published = keepsOld ? [...this.#published, this.#current] : [this.#current];
  }

  /** Publishes nothing new, but signs with a key nobody knows. */
  async signUnpublished(): Promise<void> {
    this.#made += 1;
    this.#current = await makeKey(String(this.#made), 'RS256');
  }

  /** A token that is good for inference for an hour, but for what `claims` say. */
  token(claims: JWTPayload = {}): Promise<string> {
    const { kid, alg, privateKey } = this.#current;
    const now = Math.floor(Date.now() / 1000);
    return new SignJWT({
      iss: ISSUER,
      aud: AUDIENCE,
      iat: now,
      exp: now + 3600,
      scope: 'infer',
      ...claims,
    })
      .setProtectedHeader({ alg, kid })
      .sign(privateKey);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

async function makeKey(kid: string, alg: string): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, privateKey, publicKey, jwk: { ...(await exportJWK(publicKey)), kid, alg } };
}

/** A token of any header and claims, with a signature of `sign`'s making. */
export function forge(header: object, claims: object, sign: (input: string) => string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const input = `${part(header)}.${part(claims)}`;
  return `${input}.${sign(input)}`;
}
