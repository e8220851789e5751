// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { readFile } from 'node:fs/promises';
import type { StoreOptions } from 'nereid-server';
import { storeError } from './errors.ts';

const SCOPE = 'https://www.googleapis.com/auth/devstorage.read_only';

/** Gives a token that is valid now; empty = anonymous. */
export type AccessToken = () => Promise<string>;

interface TokenClient {
  getAccessToken(): Promise<{ token?: string | null }>;
}

/**
 * Finds credentials as Triton does: the file of the entry or of `GOOGLE_APPLICATION_CREDENTIALS`, else what Google's
 * library finds (those of gcloud, the service account of the machine), else none.
 * @param entry of the credential file: path of a key file
 * @throws Error for an entry that is no path
 */
export async function accessTokens(entry: unknown, env: StoreOptions['env']): Promise<AccessToken> {
  if (entry !== undefined && typeof entry !== 'string') {
    throw storeError(
      'failed',
      "the credential file's entry for gs is wrong: expected the path of a key file",
    );
  }
  if (env['NEREID_GCS_ANONYMOUS'] === 'true') return async () => '';
  const client =
    entry === undefined || entry === '' ? await defaultClient(env) : await clientOf(entry);
  if (client === undefined) return async () => '';
  return async () => {
    const { token } = await client.getAccessToken().catch((thrown: unknown) => {
      const status = statusOf(thrown);
      const isBusy = status === undefined || status === 429 || status >= 500;
      const what = `no access token: ${reasonOf(thrown)}`;
      throw storeError(isBusy ? 'busy' : 'denied', what);
    });
    return token ?? '';
  };
}

/** @returns undefined when there are no credentials */
async function defaultClient(env: StoreOptions['env']): Promise<TokenClient | undefined> {
  const { GoogleAuth } = await import('google-auth-library');
  const isNamed = (env['GOOGLE_APPLICATION_CREDENTIALS'] ?? '') !== '';
  return new GoogleAuth({ scopes: SCOPE }).getClient().catch((thrown: unknown) => {
    if (!isNamed) return undefined;
    throw unusable(reasonOf(thrown));
  });
}

async function clientOf(file: string): Promise<TokenClient> {
  const key = await readFile(file, 'utf8').then(
    (text) => parseKey(text),
    (thrown: unknown) => {
      throw unusable(reasonOf(thrown));
    },
  );
  const { JWT, UserRefreshClient } = await import('google-auth-library');
  switch (key['type']) {
    case 'service_account':
      return new JWT({
        email: textOf(key, 'client_email'),
        key: textOf(key, 'private_key'),
        scopes: SCOPE,
      });
    case 'authorized_user':
      return new UserRefreshClient({
        clientId: textOf(key, 'client_id'),
        clientSecret: textOf(key, 'client_secret'),
        refreshToken: textOf(key, 'refresh_token'),
      });
    default:
      throw unusable(
        'expected type service_account or authorized_user; GOOGLE_APPLICATION_CREDENTIALS takes others',
      );
  }
}

function parseKey(text: string): Record<string, unknown> {
  try {
    const key: unknown = JSON.parse(text);
    if (typeof key === 'object' && key !== null) return key as Record<string, unknown>;
  } catch {
    // The parser's error quotes the text.
  }
  throw unusable('it is no JSON object');
}

function textOf(key: Record<string, unknown>, name: string): string {
  const value = key[name];
  if (typeof value === 'string') return value;
  throw unusable(`it has no ${name}`);
}

const unusable = (why: string): Error =>
  storeError('denied', `the key file cannot be used: ${why}`);

function statusOf(thrown: unknown): number | undefined {
  const status: unknown =
    typeof thrown === 'object' && thrown !== null && 'status' in thrown ? thrown.status : undefined;
  return typeof status === 'number' ? status : undefined;
}

/** Messages of the library may hold what was sent: only codes are told. */
function reasonOf(thrown: unknown): string {
  const status = statusOf(thrown);
  if (status !== undefined) return `status ${status}`;
  const code: unknown =
    typeof thrown === 'object' && thrown !== null && 'code' in thrown ? thrown.code : undefined;
  return typeof code === 'string' && /^[A-Z][A-Z_]{2,40}$/.test(code) ? code : 'it is not valid';
}
