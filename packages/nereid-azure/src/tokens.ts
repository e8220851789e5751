// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { readFile } from 'node:fs/promises';
import type { StoreOptions } from 'nereid-server';
import { connectionError, storeError } from './errors.ts';

type Env = StoreOptions['env'];

/** Gives an access token that is valid now. */
export type TokenSource = () => Promise<string>;

interface Token {
  readonly text: string;
  readonly untilMs: number;
}

const RESOURCE = 'https://storage.azure.com/';
const LOGIN = 'https://login.microsoftonline.com/';
/** The same for every machine of Azure; reached over its own link. */
const METADATA = 'http://169.254.169.254/metadata/identity/oauth2/token';
/** Before its end a token is renewed. */
const SPARE_MS = 300_000;
const TIMEOUT_MS = 10_000;

/**
 * The identity of the machine, or of the App Service that `IDENTITY_ENDPOINT` stands for.
 * @param clientId of one that the user assigned; empty = the system's
 */
export function managedIdentityToken(env: Env, clientId: string): TokenSource {
  return kept(async () => {
    const service = env['IDENTITY_ENDPOINT'] ?? '';
    const query = new URLSearchParams({ resource: RESOURCE });
    if (clientId !== '') query.set('client_id', clientId);
    if (service !== '') {
      query.set('api-version', '2019-08-01');
      const headers = { 'x-identity-header': env['IDENTITY_HEADER'] ?? '' };
      return ask(`${service}?${query}`, { headers });
    }
    query.set('api-version', '2018-02-01');
    const at = env['AZURE_POD_IDENTITY_AUTHORITY_HOST'] ?? '';
    const place = at === '' ? METADATA : METADATA.replace('http://169.254.169.254', at);
    return ask(`${place}?${query}`, { headers: { metadata: 'true' } });
  });
}

/**
 * What the environment has: a secret (`AZURE_CLIENT_SECRET`) or a federated token (`AZURE_FEDERATED_TOKEN_FILE`, as
 * Kubernetes writes it) of an application, else a managed identity.
 */
export function chainToken(env: Env, clientId: string): TokenSource {
  const tenant = env['AZURE_TENANT_ID'] ?? '';
  const client = env['AZURE_CLIENT_ID'] ?? '';
  const secret = env['AZURE_CLIENT_SECRET'] ?? '';
  const file = env['AZURE_FEDERATED_TOKEN_FILE'] ?? '';
  if (tenant === '' || client === '' || (secret === '' && file === '')) {
    return managedIdentityToken(env, clientId === '' ? client : clientId);
  }
  return kept(async () => {
    const host = (env['AZURE_AUTHORITY_HOST'] || LOGIN).replace(/\/*$/, '/');
    const proof: Record<string, string> =
      secret === ''
        ? {
            client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
            client_assertion: await federatedToken(file),
          }
        : { client_secret: secret };
    return ask(`${host}${encodeURIComponent(tenant)}/oauth2/v2.0/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: client,
        scope: `${RESOURCE}.default`,
        ...proof,
      }),
    });
  });
}

async function federatedToken(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((thrown: unknown) => {
    const code: unknown = thrown instanceof Error && 'code' in thrown ? thrown.code : '';
    throw storeError('denied', `AZURE_FEDERATED_TOKEN_FILE cannot be read: ${String(code)}`);
  });
  return text.trim();
}

/** Answers from the last token for as long as it is valid; everybody who needs a new one waits for the same. */
function kept(fetchToken: () => Promise<Token>): TokenSource {
  let current: Promise<Token> | undefined;
  return async () => {
    const token = await current?.catch(() => undefined);
    if (token === undefined || token.untilMs - SPARE_MS < Date.now()) current = fetchToken();
    return (await (current as Promise<Token>)).text;
  };
}

async function ask(url: string, init: RequestInit): Promise<Token> {
  let answer: Response;
  let text: string;
  try {
    answer = await fetch(url, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
    text = await answer.text();
  } catch (thrown) {
    const { problem, message } = connectionError(thrown);
    throw storeError(problem, `no access token: ${message}`);
  }
  const { status, ok } = answer;
  // A machine without an identity answers 400; its metadata service answers 410 and 404 while it is renewed.
  const isBusy = status === 404 || status === 410 || status === 429 || status >= 500;
  if (!ok) throw storeError(isBusy ? 'busy' : 'denied', `no access token: status ${status}`);
  const token = readToken(text);
  if (token === undefined) throw storeError('failed', 'no access token: the answer has none');
  return token;
}

function readToken(text: string): Token | undefined {
  try {
    const fields = JSON.parse(text) as Record<string, unknown>;
    const { access_token: token, expires_in: lasts, expires_on: end } = fields;
    if (typeof token !== 'string') return undefined;
    // Seconds, as numbers or texts; one of both is always there.
    const untilMs = lasts === undefined ? Number(end) * 1000 : Date.now() + Number(lasts) * 1000;
    return { text: token, untilMs: Number.isFinite(untilMs) ? untilMs : 0 };
  } catch {
    return undefined;
  }
}
