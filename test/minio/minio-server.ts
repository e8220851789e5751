// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import type { TestStore } from '../clouds/common.ts';
import { freePorts } from '../support/ports.ts';
import { ServerProcess } from '../support/server-process.ts';
import { until } from '../support/until.ts';

const program = process.env['NEREID_MINIO'] ?? '';

/** Why the tests cannot run here; `false` when they can, and in CI, where they must. */
export const skipMinio: string | false =
  program !== '' || process.env['CI'] !== undefined
    ? false
    : 'needs MinIO: npm test -- --only=minio builds it with Go 1.25 or newer';

export const KEYS = { accessKeyId: 'nereid-tests', secretAccessKey: 'sEcReT/of+the=tests' };

/** MinIO with one bucket, `models`, behind a port that writes down what is read from it. */
export class MinioServer implements TestStore {
  readonly #server: ServerProcess;
  readonly #door: Door;
  readonly #folder: string;
  readonly #client: S3Client;

  private constructor(server: ServerProcess, door: Door, folder: string) {
    this.#server = server;
    this.#door = door;
    this.#folder = folder;
    this.#client = new S3Client({
      endpoint: `http://${this.at}`,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: KEYS,
    });
  }

  /** @param port 0 = a free one */
  static async start(port = 0): Promise<MinioServer> {
    const [own = 0, console = 0] = await freePorts(2);
    const folder = mkdtempSync(join(tmpdir(), 'nereid-minio-'));
    const server = ServerProcess.launch({
      name: 'minio',
      command: program,
      args: [
        'server',
        `--address=127.0.0.1:${own}`,
        `--console-address=127.0.0.1:${console}`,
        folder,
      ],
      env: {
        ...process.env,
        MINIO_ROOT_USER: KEYS.accessKeyId,
        MINIO_ROOT_PASSWORD: KEYS.secretAccessKey,
        MINIO_BROWSER: 'off',
        MINIO_UPDATE: 'off',
      },
    });
    const isReady = (): Promise<boolean> =>
      fetch(`http://127.0.0.1:${own}/minio/health/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    await until(async () => server.hasExited || (await isReady()));
    if (server.hasExited) throw new Error(`MinIO has not started:\n${server.log}`);
    const result = new MinioServer(server, await Door.open(port, own), folder);
    await result.#client.send(new CreateBucketCommand({ Bucket: 'models' }));
    return result;
  }

  /** `host:port` */
  get at(): string {
    return `127.0.0.1:${this.port}`;
  }

  get port(): number {
    return this.#door.port;
  }

  get url(): string {
    return `s3://${this.at}/models`;
  }

  get env(): NodeJS.ProcessEnv {
    return {
      AWS_ACCESS_KEY_ID: KEYS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: KEYS.secretAccessKey,
      AWS_EC2_METADATA_DISABLED: 'true',
    };
  }

  reads(name: string): number {
    return this.#door.heads.filter((head) => head.includes(name)).length;
  }

  async put(key: string, body: string | Uint8Array, encoding?: string): Promise<void> {
    const object = { Bucket: 'models', Key: key, Body: Buffer.from(body) };
    const marked = encoding === undefined ? object : { ...object, ContentEncoding: encoding };
    await this.#client.send(new PutObjectCommand(marked));
  }

  async delete(key: string): Promise<void> {
    await this.#client.send(new DeleteObjectCommand({ Bucket: 'models', Key: key }));
  }

  /** From now on this many connections end after they have carried that much to the reader. */
  cutConnections(times: number, bytes: number): void {
    this.#door.cuts = { times, bytes };
  }

  /** connections that are still to be cut */
  get cutsLeft(): number {
    return this.#door.cuts.times;
  }

  async kill(): Promise<void> {
    this.#server.signal('SIGKILL');
    await this.#server.exited;
    await this.#door.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.destroy();
    await this.#server.stop();
    await this.#door.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Hands bytes on both ways, and keeps the first lines of requests for objects. */
class Door {
  readonly heads: string[] = [];
  port = 0;
  cuts = { times: 0, bytes: 0 };
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(port: number, to: number): Promise<Door> {
    const server = createServer();
    const door = new Door(server);
    server.on('connection', (client) => door.#join(client, connect(to, '127.0.0.1')));
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    door.port = (server.address() as AddressInfo).port;
    return door;
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #join(client: Socket, store: Socket): void {
    client.on('data', (bytes) => {
      for (const [head] of bytes.toString('latin1').matchAll(/^GET \S+/gm)) this.heads.push(head);
    });
    let carried = 0;
    store.on('data', ({ length }) => {
      carried += length;
      if (this.cuts.times === 0 || carried < this.cuts.bytes) return;
      this.cuts.times -= 1;
      client.destroy();
    });
    const pairs = [
      [client, store],
      [store, client],
    ] as const;
    for (const [from, to] of pairs) {
      this.#sockets.add(from);
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.once('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
  }
}
