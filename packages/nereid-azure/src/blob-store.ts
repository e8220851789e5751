// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type {
  ListRequest,
  ObjectContent,
  ObjectPage,
  ObjectStore,
  StoredObject,
} from 'nereid-server';
import type { Access } from './access.ts';
import { readBlobList } from './blob-list.ts';
import { connectionError, statusError } from './errors.ts';

const API_VERSION = '2023-11-03';

/** One container, over the REST API. The token of a blob is its ETag. */
export class BlobStore implements ObjectStore {
  readonly #access: Access;
  readonly #container: string;

  constructor(access: Access, container: string) {
    this.#access = access;
    this.#container = encodeURIComponent(container);
  }

  async list({ prefix, deep, next, signal }: ListRequest): Promise<ObjectPage> {
    const query = new URLSearchParams({ restype: 'container', comp: 'list', include: 'metadata' });
    // Azurite does not take an empty prefix.
    if (prefix !== '') query.set('prefix', prefix);
    if (!deep) query.set('delimiter', '/');
    if (next !== undefined) query.set('marker', next);
    const answer = await this.#ask('', query, {}, signal);
    const xml = await answer.text().catch((thrown: unknown) => {
      throw connectionError(thrown);
    });
    return readBlobList(xml);
  }

  async open(object: StoredObject, signal: AbortSignal): Promise<ObjectContent> {
    const path = `/${object.key.split('/').map(encodeURIComponent).join('/')}`;
    const headers = { 'if-match': `"${object.token}"` };
    const { body } = await this.#ask(path, new URLSearchParams(), headers, signal);
    return { body: errorsOf(body) };
  }

  close(): void {
    // The connections are those of the process.
  }

  async #ask(
    path: string,
    query: URLSearchParams,
    given: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Response> {
    const { endpoint, query: every } = this.#access;
    const url = new URL(`${endpoint}/${this.#container}${path}?${query}`);
    for (const [name, value] of new URLSearchParams(every)) url.searchParams.set(name, value);
    const headers: Record<string, string> = {
      ...given,
      'x-ms-date': new Date().toUTCString(),
      'x-ms-version': API_VERSION,
    };
    const authorization = await this.#access.authorize({ method: 'GET', url, headers });
    if (authorization !== undefined) headers['authorization'] = authorization;
    let answer: Response;
    try {
      answer = await fetch(url, { headers, signal });
    } catch (thrown) {
      throw connectionError(thrown);
    }
    if (answer.ok) return answer;
    await answer.body?.cancel().catch(() => undefined);
    throw statusError(answer, 'if-match' in given);
  }
}

async function* errorsOf(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  try {
    if (body !== null) yield* body;
  } catch (thrown) {
    throw connectionError(thrown);
  }
}
