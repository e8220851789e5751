// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { sharedKey } from '../../packages/nereid-azure/src/shared-key.ts';
import { ServerProcess } from '../support/server-process.ts';
import { until } from '../support/until.ts';
import type { TestStore } from './common.ts';

const script = process.env['NEREID_AZURITE'] ?? '';

/** Why the tests cannot run here; `false` when they can, and in CI, where they must. */
export const skipAzure: string | false =
  script !== '' || process.env['CI'] !== undefined
    ? false
    : 'needs azurite: npm test -- --only=clouds installs it';

const ACCOUNT = 'testaccount';
export const KEY: string = Buffer.from('the key of the tests').toString('base64');

/** azurite's blob service with one container, `models`. */
export class AzureServer implements TestStore {
  readonly #server: ServerProcess;
  readonly #endpoint: string;
  readonly url = `as://${ACCOUNT}/models`;

  private constructor(server: ServerProcess, at: string) {
    this.#server = server;
    this.#endpoint = `${at}/${ACCOUNT}`;
  }

  /** @param port 0 = a free one */
  static async start(port = 0): Promise<AzureServer> {
    const place = ['--blobHost', '127.0.0.1', '--blobPort', String(port)];
    const server = ServerProcess.launch({
      name: 'azurite',
      command: process.execPath,
      args: [script, ...place, '--inMemoryPersistence', '--disableTelemetry'],
      env: { ...process.env, AZURITE_ACCOUNTS: `${ACCOUNT}:${KEY}` },
    });
    const find = () =>
      /successfully listen\w+ (?:at|on) (http:\/\/[\d.]+:\d+)/.exec(server.log)?.[1];
    await until(() => server.hasExited || find() !== undefined);
    const at = find();
    if (at === undefined) throw new Error(`azurite has not started:\n${server.log}`);
    const result = new AzureServer(server, at);
    await result.#ask('PUT', '?restype=container', {});
    return result;
  }

  get port(): number {
    return Number(new URL(this.#endpoint).port);
  }

  get env(): NodeJS.ProcessEnv {
    return { AZURE_STORAGE_CONNECTION_STRING: this.connectionString(KEY) };
  }

  connectionString(key: string): string {
    return `AccountName=${ACCOUNT};AccountKey=${key};BlobEndpoint=${this.#endpoint};`;
  }

  reads(name: string): number {
    const lines = this.#server.log.split('\n');
    return lines.filter((line) => line.includes('"GET /') && line.includes(name)).length;
  }

  async put(key: string, body: string | Uint8Array, encoding?: string): Promise<void> {
    const content = Buffer.from(body);
    const headers = {
      'x-ms-blob-type': 'BlockBlob',
      'content-length': String(content.length),
      ...(encoding === undefined ? {} : { 'x-ms-blob-content-encoding': encoding }),
    };
    await this.#ask(
      'PUT',
      `/${key.split('/').map(encodeURIComponent).join('/')}`,
      headers,
      content,
    );
  }

  async delete(key: string): Promise<void> {
    await this.#ask('DELETE', `/${key.split('/').map(encodeURIComponent).join('/')}`, {});
  }

  async kill(): Promise<void> {
    this.#server.signal('SIGKILL');
    await this.#server.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop();
  }

  async #ask(
    method: string,
    path: string,
    given: Readonly<Record<string, string>>,
    body?: Buffer<ArrayBuffer>,
  ): Promise<void> {
    const url = new URL(`${this.#endpoint}/models${path}`);
    const dated = { 'x-ms-date': new Date().toUTCString(), 'x-ms-version': '2023-11-03' };
    const headers = { 'content-type': 'application/octet-stream', ...given, ...dated };
    const authorization = sharedKey({ method, url, headers }, ACCOUNT, KEY);
    const send = (): Promise<Response> =>
      fetch(url, {
        method,
        headers: { ...headers, authorization },
        ...(body === undefined ? {} : { body }),
      });
    // The server may be closing the connection that is used again.
    const answer = await send().catch(send);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`azurite answered ${answer.status}: ${text}`);
  }
}
