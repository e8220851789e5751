// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type {
  ListRequest,
  ObjectContent,
  ObjectPage,
  ObjectStore,
  StoredObject,
} from 'nereid-server';
import type { AccessToken } from './access-tokens.ts';
import { connectionError, statusError, storeError } from './errors.ts';

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
    const answer = await this.#ask(`${this.#objects}?${query}`, signal, false);
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
    const { body } = await this.#ask(url, signal, true);
    return { body: errorsOf(body) };
  }

  close(): void {
    // The connections are those of the process.
  }

  async #ask(url: string, signal: AbortSignal, isConditional: boolean): Promise<Response> {
    const token = await this.#options.token();
    const headers: Record<string, string> =
      token === '' ? {} : { authorization: `Bearer ${token}` };
    let answer: Response;
    try {
      answer = await fetch(url, { headers, signal });
    } catch (thrown) {
      throw connectionError(thrown);
    }
    if (answer.ok) return answer;
    await answer.body?.cancel().catch(() => undefined);
    throw statusError(answer.status, isConditional);
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

async function* errorsOf(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  try {
    if (body !== null) yield* body;
  } catch (thrown) {
    throw connectionError(thrown);
  }
}
