// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { IncomingMessage } from 'node:http';
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
import { getStored } from './stored-bytes.ts';

const API_VERSION = '2023-11-03';
/** header with Azure's name for what is wrong */
const ERROR_CODE = 'x-ms-error-code';

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
    const answer = await this.#ask(query, signal);
    const xml = await answer.text().catch((thrown: unknown) => {
      throw connectionError(thrown);
    });
    return readBlobList(xml);
  }

  async open(object: StoredObject, signal: AbortSignal): Promise<ObjectContent> {
    const path = `/${object.key.split('/').map(encodeURIComponent).join('/')}`;
    const headers = { 'if-match': `"${object.token}"` };
    const { url, headers: all } = await this.#request(path, new URLSearchParams(), headers);
    let answer: IncomingMessage;
    try {
      answer = await getStored(url.href, all, signal);
    } catch (thrown) {
      throw connectionError(thrown);
    }
    const { statusCode: status = 0 } = answer;
    if (status !== 200) {
      answer.resume();
      throw statusError({ status, code: String(answer.headers[ERROR_CODE] ?? '') }, true);
    }
    return { body: errorsOf(answer), encoding: answer.headers['content-encoding'] };
  }

  close(): void {
    // The connections are those of the process.
  }

  async #ask(query: URLSearchParams, signal: AbortSignal): Promise<Response> {
    const { url, headers } = await this.#request('', query, {});
    let answer: Response;
    try {
      answer = await fetch(url, { headers, signal });
    } catch (thrown) {
      throw connectionError(thrown);
    }
    if (answer.ok) return answer;
    await answer.body?.cancel().catch(() => undefined);
    const { status, headers: of } = answer;
    throw statusError({ status, code: of.get(ERROR_CODE) ?? '' }, false);
  }

  async #request(
    path: string,
    query: URLSearchParams,
    given: Readonly<Record<string, string>>,
  ): Promise<{ readonly url: URL; readonly headers: Record<string, string> }> {
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
    return { url, headers };
  }
}

async function* errorsOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (thrown) {
    throw connectionError(thrown);
  }
}
