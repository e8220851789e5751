// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { IncomingMessage } from 'node:http';
import { createGunzip } from 'node:zlib';
import type {
  ListRequest,
  ObjectContent,
  ObjectPage,
  ObjectStore,
  StoredObject,
} from 'nereid-server';
import type { AccessToken } from './access-tokens.ts';
import { connectionError, statusError, storeError } from './errors.ts';
import { getStored } from './stored-bytes.ts';

export interface GcsStoreOptions {
  readonly bucket: string;
  /** origin of the server */
  readonly endpoint: string;
  readonly token: AccessToken;
}

/** Of an answer to a listing: what we ask for. */
const FIELDS = 'items(name,size,generation,md5Hash,crc32c),prefixes,nextPageToken';

/** One bucket, over the JSON API. The token of an object is its generation. */
export class GcsStore implements ObjectStore {
  readonly #options: GcsStoreOptions;
  readonly #objects: string;

  constructor(options: GcsStoreOptions) {
    this.#options = options;
    const bucket = encodeURIComponent(options.bucket);
    this.#objects = `${options.endpoint}/storage/v1/b/${bucket}/o`;
  }

  async list({ prefix, deep, next, signal }: ListRequest): Promise<ObjectPage> {
    const query = new URLSearchParams({ prefix, fields: FIELDS, maxResults: '1000' });
    if (!deep) query.set('delimiter', '/');
    if (next !== undefined) query.set('pageToken', next);
    const answer = await this.#ask(`${this.#objects}?${query}`, signal);
    const page: unknown = await answer.json().catch((thrown: unknown) => {
      throw thrown instanceof SyntaxError
        ? storeError('failed', 'the answer is no JSON')
        : connectionError(thrown);
    });
    return readPage(page);
  }

  async open(object: StoredObject, signal: AbortSignal): Promise<ObjectContent> {
    const query = new URLSearchParams({ alt: 'media', generation: object.token });
    const url = `${this.#objects}/${encodeURIComponent(object.key)}?${query}`;
    // Without this word the server decodes what is stored as gzip.
    const headers = { ...(await this.#authorization()), 'accept-encoding': 'gzip' };
    let answer: IncomingMessage;
    try {
      answer = await getStored(url, headers, signal);
    } catch (thrown) {
      throw connectionError(thrown);
    }
    const { statusCode = 0 } = answer;
    if (statusCode !== 200) {
      answer.resume();
      throw statusError(statusCode, true);
    }
    const { encoding, isForTheWay } = encodingOf(answer);
    const body = isForTheWay ? answer.pipe(createGunzip()) : answer;
    return { body: errorsOf(body), encoding };
  }

  close(): void {
    // The connections are those of the process.
  }

  async #ask(url: string, signal: AbortSignal): Promise<Response> {
    const headers = await this.#authorization();
    let answer: Response;
    try {
      answer = await fetch(url, { headers, signal });
    } catch (thrown) {
      throw connectionError(thrown);
    }
    if (answer.ok) return answer;
    await answer.body?.cancel().catch(() => undefined);
    throw statusError(answer.status, false);
  }

  async #authorization(): Promise<Record<string, string>> {
    const token = await this.#options.token();
    return token === '' ? {} : { authorization: `Bearer ${token}` };
  }
}

/** @throws StoreError for an answer that is no listing */
function readPage(page: unknown): ObjectPage {
  const { items = [], prefixes = [], nextPageToken } = (page ?? {}) as Record<string, unknown>;
  if (!Array.isArray(items) || !Array.isArray(prefixes)) {
    throw storeError('failed', 'the answer is no listing');
  }
  return {
    objects: items.map((item: Record<string, unknown>) => ({
      key: textOf(item['name']),
      bytes: Number(textOf(item['size'])),
      token: textOf(item['generation']),
      md5: item['md5Hash'] === undefined ? undefined : textOf(item['md5Hash']),
      crc32c: item['crc32c'] === undefined ? undefined : textOf(item['crc32c']),
    })),
    folders: prefixes.map(textOf),
    next: nextPageToken === undefined || nextPageToken === '' ? undefined : textOf(nextPageToken),
  };
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  throw storeError('failed', 'the answer is no listing');
}

/** The server may encode for the way what is stored plainly; it says so. */
function encodingOf({ headers }: IncomingMessage): {
  readonly encoding: string | undefined;
  readonly isForTheWay: boolean;
} {
  const encoding = headers['content-encoding'];
  const isForTheWay =
    encoding === 'gzip' && headers['x-goog-stored-content-encoding'] === 'identity';
  return { encoding: isForTheWay ? undefined : encoding, isForTheWay };
}

async function* errorsOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (thrown) {
    throw connectionError(thrown);
  }
}
