// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { createHmac } from 'node:crypto';

/** Headers that are signed by their place; the length of nothing is an empty text. */
const PLACED = [
  'content-encoding',
  'content-language',
  'content-length',
  'content-md5',
  'content-type',
  'date',
  'if-modified-since',
  'if-match',
  'if-none-match',
  'if-unmodified-since',
  'range',
] as const;

export interface SignedRequest {
  readonly method: string;
  readonly url: URL;
  /** names in lower case */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * The `Authorization` of a request, as "Authorize with Shared Key" of Azure's REST reference has it.
 * @param key of the account, base64
 */
export function sharedKey(request: SignedRequest, account: string, key: string): string {
  const { method, url, headers } = request;
  const placed = PLACED.map((name) => headers[name] ?? '').map((value) =>
    value === '0' ? '' : value,
  );
  const own = Object.keys(headers)
    .filter((name) => name.startsWith('x-ms-'))
    .sort()
    .map((name) => `${name}:${headers[name]}`);
  const query = [...url.searchParams]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name.toLowerCase()}:${value}`);
  const text = [method, ...placed, ...own, [`/${account}${url.pathname}`, ...query].join('\n')];
  const hmac = createHmac('sha256', Buffer.from(key, 'base64'));
  return `SharedKey ${account}:${hmac.update(text.join('\n')).digest('base64')}`;
}
