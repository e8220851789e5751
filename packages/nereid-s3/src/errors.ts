// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { StoreError, StoreProblem } from 'nereid-server';

const BUSY_STATUS = new Set([408, 429]);
/** What S3 answers with status 4xx although the next attempt may succeed, and how connections fail. */
const BUSY_NAMES =
  /^(?:SlowDown|RequestTimeout|RequestTimeTooSkewed|Throttl\w*|TooManyRequests\w*|TimeoutError|E(?:CONN\w+|PIPE|TIMEDOUT|HOSTUNREACH|NETUNREACH|AI_AGAIN|NOTFOUND|PROTO))$/;
const DENIED_NAMES =
  /^(?:AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|CredentialsProviderError|TokenProviderError)$/;

/**
 * Tells what kind of failure it is. The message holds the name and the status alone: those of the SDK may repeat what
 * was sent.
 * @param isConditional the request named the version of the object
 */
export function toStoreError(
  thrown: unknown,
  { isConditional = false }: { readonly isConditional?: boolean } = {},
): StoreError {
  const status = statusOf(thrown);
  const name = nameOf(thrown);
  const problem = problemOf(status, name, isConditional);
  const message = status === undefined ? name : `${name}, status ${status}`;
  return Object.assign(new Error(message), { problem });
}

function problemOf(status: number | undefined, name: string, isConditional: boolean): StoreProblem {
  if (BUSY_NAMES.test(name)) return 'busy';
  if (DENIED_NAMES.test(name) || status === 401 || status === 403) return 'denied';
  if (status === 412 || (status === 404 && isConditional && name !== 'NoSuchBucket')) {
    return 'changed';
  }
  if (status === 404) return 'missing';
  if (status !== undefined && (status >= 500 || BUSY_STATUS.has(status))) return 'busy';
  return 'failed';
}

function statusOf(thrown: unknown): number | undefined {
  const metadata: unknown =
    typeof thrown === 'object' && thrown !== null && '$metadata' in thrown
      ? thrown.$metadata
      : undefined;
  const status: unknown =
    typeof metadata === 'object' && metadata !== null && 'httpStatusCode' in metadata
      ? metadata.httpStatusCode
      : undefined;
  return typeof status === 'number' ? status : undefined;
}

/** The code of the system before the name of the class: `ECONNREFUSED` says more than `Error`. */
function nameOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return 'unknown error';
  const code: unknown = 'code' in thrown ? thrown.code : undefined;
  if (typeof code === 'string' && /^[A-Z][A-Za-z_]{2,40}$/.test(code)) return code;
  return /^[A-Za-z]{3,60}$/.test(thrown.name) ? thrown.name : 'unknown error';
}
