// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { freePorts } from '../support/ports.ts';
import { ServerProcess } from '../support/server-process.ts';
import { until } from '../support/until.ts';
import type { TestStore } from './common.ts';

const program = process.env['NEREID_FAKE_GCS'] ?? '';

/** Why the tests cannot run here; `false` when they can, and in CI, where they must. */
export const skipGcs: string | false =
  program !== '' || process.env['CI'] !== undefined
    ? false
    : 'needs fake-gcs-server: npm test -- --only=clouds builds it with Go 1.19 or newer';

/** fake-gcs-server with one bucket, `models`. */
export class GcsServer implements TestStore {
  readonly #server: ServerProcess;
  readonly port: number;
  readonly url = 'gs://models';

  private constructor(server: ServerProcess, port: number) {
    this.#server = server;
    this.port = port;
  }

  static async start(given = 0): Promise<GcsServer> {
    const [port = 0] = given === 0 ? await freePorts(1) : [given];
    const place = ['-scheme=http', '-host=127.0.0.1', `-port=${port}`, '-backend=memory'];
    const server = ServerProcess.launch({
      name: 'fake-gcs-server',
      command: program,
      args: [...place, `-public-host=127.0.0.1:${port}`, '-log-level=info'],
    });
    const result = new GcsServer(server, port);
    const make = (): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}/storage/v1/b`, {
        method: 'POST',
        body: JSON.stringify({ name: 'models' }),
        headers: { 'content-type': 'application/json' },
      });
    await until(
      async () =>
        server.hasExited ||
        (await make().then(
          ({ ok }) => ok,
          () => false,
        )),
    );
    if (server.hasExited) throw new Error(`fake-gcs-server has not started:\n${server.log}`);
    return result;
  }

  get env(): NodeJS.ProcessEnv {
    return { STORAGE_EMULATOR_HOST: `127.0.0.1:${this.port}` };
  }

  reads(name: string): number {
    const lines = this.#server.log.split('\n');
    return lines.filter((line) => line.includes('GET') && line.includes(name)).length;
  }

  async put(key: string, body: string | Uint8Array, encoding?: string): Promise<void> {
    const query = new URLSearchParams({ uploadType: 'media', name: key });
    if (encoding !== undefined) query.set('contentEncoding', encoding);
    await this.#ask('POST', `/upload/storage/v1/b/models/o?${query}`, Buffer.from(body));
  }

  async delete(key: string): Promise<void> {
    await this.#ask('DELETE', `/storage/v1/b/models/o/${encodeURIComponent(key)}`);
  }

  async kill(): Promise<void> {
    this.#server.signal('SIGKILL');
    await this.#server.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop();
  }

  async #ask(method: string, path: string, body?: Buffer<ArrayBuffer>): Promise<void> {
    const answer = await fetch(`http://127.0.0.1:${this.port}${path}`, {
      method,
      ...(body === undefined ? {} : { body }),
    });
    if (!answer.ok) throw new Error(`fake-gcs-server answered ${answer.status}`);
    await answer.arrayBuffer();
  }
}
