// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { StoreOptions } from 'nereid-server';
import { storeError } from './errors.ts';
import { type SignedRequest, sharedKey } from './shared-key.ts';
import { chainToken, managedIdentityToken, type TokenSource } from './tokens.ts';

/** Where the blobs of an account are, and how a request shows who asks. */
export interface Access {
  /** of the blob service, without a slash at the end */
  readonly endpoint: string;
  /** what every address gets, such as a shared access signature */
  readonly query: string;
  /** @returns undefined = anonymous */
  authorize(request: SignedRequest): Promise<string | undefined>;
}

/** Entry of a credential file, or what Triton reads from the environment instead. */
interface Entry {
  readonly account: string;
  readonly key: string;
  readonly authType: string;
  readonly clientId: string;
}

const PUBLIC_SUFFIX = 'core.windows.net';

/**
 * Finds out how to ask, as Triton does: by the key of the account, by a managed identity, by what the environment has,
 * or as nobody. Where there is no credential file and no key, `AZURE_STORAGE_CONNECTION_STRING` counts.
 * @throws StoreError failed for an entry or a connection string that cannot be
 */
export function accessOf({ account: named = '', credentials, env }: StoreOptions): Access {
  const entry = credentials === undefined ? environmentEntry(env) : readEntry(credentials);
  const connection = env['AZURE_STORAGE_CONNECTION_STRING'] ?? '';
  if (credentials === undefined && entry.key === '' && entry.authType === '' && connection !== '') {
    return connectionAccess(connection);
  }
  const account = entry.account === '' ? named : entry.account;
  const endpoint = `https://${account}.blob.${PUBLIC_SUFFIX}`;
  switch (entry.authType) {
    case 'managed_identity':
      return tokenAccess(endpoint, managedIdentityToken(env, entry.clientId));
    case 'default':
      return tokenAccess(endpoint, chainToken(env, entry.clientId));
    case '':
    case 'key':
      return keyAccess(endpoint, account, entry.key);
    default:
      throw storeError('failed', 'auth_type: expected key, managed_identity or default');
  }
}

function connectionAccess(text: string): Access {
  const parts = new Map(
    text.split(';').flatMap((part) => {
      const equals = part.indexOf('=');
      return equals < 0 ? [] : [[part.slice(0, equals).trim(), part.slice(equals + 1)] as const];
    }),
  );
  const part = (name: string): string => parts.get(name) ?? '';
  const protocol = part('DefaultEndpointsProtocol') || 'https';
  const suffix = part('EndpointSuffix') || PUBLIC_SUFFIX;
  const account = part('AccountName');
  const endpoint = part('BlobEndpoint') || `${protocol}://${account}.blob.${suffix}`;
  if (!URL.canParse(endpoint) || (account === '' && part('BlobEndpoint') === '')) {
    throw storeError('failed', 'AZURE_STORAGE_CONNECTION_STRING names no account');
  }
  const place = endpoint.replace(/\/+$/, '');
  const signature = part('SharedAccessSignature').replace(/^\?/, '');
  if (signature !== '')
    return { endpoint: place, query: signature, authorize: async () => undefined };
  return keyAccess(place, account, part('AccountKey'));
}

function keyAccess(endpoint: string, account: string, key: string): Access {
  const authorize = async (request: SignedRequest) =>
    key === '' ? undefined : sharedKey(request, account, key);
  return { endpoint, query: '', authorize };
}

function tokenAccess(endpoint: string, token: TokenSource): Access {
  return { endpoint, query: '', authorize: async () => `Bearer ${await token()}` };
}

function environmentEntry(env: StoreOptions['env']): Entry {
  return {
    account: env['AZURE_STORAGE_ACCOUNT'] ?? '',
    key: env['AZURE_STORAGE_KEY'] ?? '',
    authType: env['AZURE_STORAGE_AUTH_TYPE'] ?? '',
    clientId: env['AZURE_STORAGE_CLIENT_ID'] ?? '',
  };
}

function readEntry(credentials: unknown): Entry {
  if (typeof credentials !== 'object' || credentials === null) throw wrongEntry();
  const text = (key: string): string => {
    const value: unknown = (credentials as Record<string, unknown>)[key] ?? '';
    if (typeof value !== 'string') throw wrongEntry();
    return value;
  };
  return {
    account: text('account_str'),
    key: text('account_key'),
    authType: text('auth_type'),
    clientId: text('client_id'),
  };
}

const wrongEntry = (): Error =>
  storeError(
    'failed',
    "the credential file's entry for as is wrong: expected texts account_str, account_key, auth_type, client_id",
  );
