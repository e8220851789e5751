// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { StoreError, StoreProblem } from 'nereid-server';

export function storeError(problem: StoreProblem, message: string): StoreError {
  return Object.assign(new Error(message), { problem });
}

/**
 * Of an answer that is no success. The message holds the status and Azure's name for it alone.
 * @param isConditional the request named the version of the object
 */
export function statusError(
  { status, code }: { readonly status: number; readonly code: string },
  isConditional: boolean,
): StoreError {
  const name = /^[A-Za-z]{3,60}$/.test(code) ? `${code}, ` : '';
  return storeError(problemOf(status, code, isConditional), `${name}status ${status}`);
}

function problemOf(status: number, code: string, isConditional: boolean): StoreProblem {
  // An account without public access answers whoever has no credentials with 409.
  if (status === 401 || status === 403 || code === 'PublicAccessNotPermitted') return 'denied';
  if (status === 404) return isConditional && code !== 'ContainerNotFound' ? 'changed' : 'missing';
  if (status === 412) return 'changed';
  return status === 408 || status === 429 || status >= 500 ? 'busy' : 'failed';
}

/** Of a request without an answer: a connection that broke or could not be made. */
export function connectionError(thrown: unknown): StoreError {
  for (let cause = thrown; cause instanceof Error; cause = cause.cause) {
    if ('problem' in cause) return cause as StoreError;
    const code: unknown = 'code' in cause ? cause.code : undefined;
    // Certificates that are not trusted do not become so.
    if (
      typeof code === 'string' &&
      /^(?:CERT_|ERR_TLS|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(code)
    ) {
      return storeError('failed', code);
    }
    if (typeof code === 'string' && /^[A-Z][A-Z0-9_]{2,40}$/.test(code)) {
      return storeError('busy', code);
    }
  }
  return storeError('busy', 'the connection broke');
}
