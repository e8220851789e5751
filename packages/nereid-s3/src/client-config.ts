// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { S3ClientConfig } from '@aws-sdk/client-s3';
import type { StoreOptions } from 'nereid-server';

const CONNECTION_TIMEOUT_MS = 5000;
/** Until the first byte of an answer. */
const ANSWER_TIMEOUT_MS = 30_000;
const MAX_SOCKETS = 32;
const DEFAULT_REGION = 'us-east-1';

/** Entry of a credential file. */
interface S3Entry {
  readonly keyId: string;
  readonly secretKey: string;
  readonly sessionToken: string;
  readonly region: string;
  readonly profile: string;
}

/**
 * What the client is made with. Keys come first, of the credential file or else of the environment, then a profile, as
 * Triton has it; without either the SDK's own chain decides: profiles, web identity, the role of the task or machine.
 * `NEREID_S3_ANONYMOUS=true` instead of any credentials reads public buckets.
 * @throws Error for an entry of the credential file that is no object of texts
 */
export function clientConfig({ endpoint, credentials, env }: StoreOptions): S3ClientConfig {
  const entry = credentials === undefined ? environmentEntry(env) : readEntry(credentials);
  const region = entry.region || env['AWS_REGION'] || env['AWS_DEFAULT_REGION'];
  // A region may stand in the profile; a server that is named by its address has none.
  const needsNone = endpoint !== undefined || entry.profile === '';
  const chosen = region || (needsNone ? DEFAULT_REGION : undefined);
  return {
    // The server repeats what may succeed later.
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      requestTimeout: ANSWER_TIMEOUT_MS,
      throwOnRequestTimeout: true,
      httpAgent: { maxSockets: MAX_SOCKETS, keepAlive: true },
      httpsAgent: { maxSockets: MAX_SOCKETS, keepAlive: true },
    },
    ...(chosen ? { region: chosen } : {}),
    // Buckets of such servers are rarely names of their DNS.
    ...(endpoint === undefined
      ? { followRegionRedirects: true }
      : { endpoint, forcePathStyle: true }),
    ...credentialsOf(entry, env),
  };
}

function credentialsOf(
  { keyId, secretKey, sessionToken, profile }: S3Entry,
  env: StoreOptions['env'],
): S3ClientConfig {
  if (keyId !== '' && secretKey !== '') {
    const session = sessionToken === '' ? {} : { sessionToken };
    return { credentials: { accessKeyId: keyId, secretAccessKey: secretKey, ...session } };
  }
  if (profile !== '') return { profile };
  if (env['NEREID_S3_ANONYMOUS'] === 'true') {
    return { signer: { sign: async (request) => request }, credentials: NO_CREDENTIALS };
  }
  return {};
}

function environmentEntry(env: StoreOptions['env']): S3Entry {
  return {
    keyId: env['AWS_ACCESS_KEY_ID'] ?? '',
    secretKey: env['AWS_SECRET_ACCESS_KEY'] ?? '',
    sessionToken: env['AWS_SESSION_TOKEN'] ?? '',
    region: '',
    profile: env['AWS_PROFILE'] ?? '',
  };
}

const NO_CREDENTIALS = { accessKeyId: '', secretAccessKey: '' };

function readEntry(credentials: unknown): S3Entry {
  if (typeof credentials !== 'object' || credentials === null) throw wrongEntry();
  const text = (key: string): string => {
    const value: unknown = (credentials as Record<string, unknown>)[key] ?? '';
    if (typeof value !== 'string') throw wrongEntry();
    return value;
  };
  return {
    keyId: text('key_id'),
    secretKey: text('secret_key'),
    sessionToken: text('session_token'),
    region: text('region'),
    profile: text('profile'),
  };
}

const wrongEntry = (): Error =>
  new Error(
    "the credential file's entry for s3 is wrong: expected texts key_id, secret_key, session_token, region, profile",
  );
