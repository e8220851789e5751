// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { storeError } from './store-error.ts';

/** How every gzip file begins. */
const MAGIC = [0x1f, 0x8b];

/**
 * The content of what is marked as gzip; as it is where the mark is wrong.
 * @throws StoreError busy for content that is damaged; what reading `body` throws
 */
export async function* decoded(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const pieces = body[Symbol.asyncIterator]();
  try {
    let head: Uint8Array = new Uint8Array();
    for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) {
      head = Buffer.concat([head, next.value]);
      if (head.length >= MAGIC.length) break;
    }
    const whole = joined(head, pieces);
    yield* MAGIC.every((byte, i) => head[i] === byte) ? gunzipped(whole) : whole;
  } finally {
    await pieces.return?.();
  }
}

async function* joined(
  head: Uint8Array,
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  if (head.length > 0) yield head;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
}

async function* gunzipped(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const source = Readable.from(body, { objectMode: false });
  const gunzip = createGunzip();
  source.on('error', (error) => gunzip.destroy(error));
  // Nobody listens any more once the content is left.
  gunzip.on('error', () => undefined);
  try {
    yield* source.pipe(gunzip) as AsyncIterable<Uint8Array>;
  } catch (thrown) {
    const code: unknown = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
    if (typeof code !== 'string' || !code.startsWith('Z_')) throw thrown;
    throw storeError('busy', `stored as gzip, and cannot be decoded (${code})`);
  } finally {
    source.destroy();
    gunzip.destroy();
  }
}
