// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { get, type IncomingMessage } from 'node:http';
import { get as getSecurely } from 'node:https';

/**
 * Asks for an object as it is stored. `fetch` would decode what has a Content-Encoding, and what a listing says of an
 * object is said of its stored bytes.
 */
export function getStored(
  url: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const send = url.startsWith('https:') ? getSecurely : get;
  return new Promise((resolve, reject) => {
    send(url, { headers, signal }, resolve).once('error', reject);
  });
}
