// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { DeleteObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { ServerProcess } from '../support/server-process.ts';
import { until } from '../support/until.ts';
import type { TestStore } from './common.ts';

const python = process.env['NEREID_CLOUDS_PYTHON'] ?? '';

/** Why the tests cannot run here; `false` when they can, and in CI, where they must. */
export const skipS3: string | false =
  python !== '' || process.env['CI'] !== undefined
    ? false
    : 'needs moto: npm test -- --only=clouds installs it';

export const KEYS = { accessKeyId: 'AKIATESTTESTTEST0000', secretAccessKey: 'sEcReT/of+the=tests' };

/** moto's S3 with one bucket, `models`. */
export class S3Server implements TestStore {
  readonly #server: ServerProcess;
  readonly #client: S3Client;
  /** `host:port` */
  readonly at: string;

  private constructor(server: ServerProcess, at: string) {
    this.#server = server;
    this.at = at;
    this.#client = new S3Client({
      endpoint: `http://${at}`,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: KEYS,
    });
  }

  /** @param port 0 = a free one */
  static async start(port = 0): Promise<S3Server> {
    const server = ServerProcess.launch({
      name: 'moto',
      command: python,
      args: ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)],
      env: { ...process.env, PYTHONUNBUFFERED: '1' },
    });
    const find = (): string | undefined => /http:\/\/([\d.]+:\d+)/.exec(server.log)?.[1];
    await until(() => server.hasExited || find() !== undefined);
    const at = find();
    if (at === undefined) throw new Error(`moto has not started:\n${server.log}`);
    const result = new S3Server(server, at);
    await fetch(`http://${at}/models`, { method: 'PUT' });
    return result;
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

  get port(): number {
    return Number(this.at.split(':')[1]);
  }

  reads(name: string): number {
    const lines = this.#server.log.split('\n');
    return lines.filter((line) => line.includes('"GET /') && line.includes(name)).length;
  }

  async put(key: string, body: string | Uint8Array, encoding?: string): Promise<void> {
    const object = { Bucket: 'models', Key: key, Body: Buffer.from(body) };
    const marked = encoding === undefined ? object : { ...object, ContentEncoding: encoding };
    await this.#client.send(new PutObjectCommand(marked));
  }

  async delete(key: string): Promise<void> {
    await this.#client.send(new DeleteObjectCommand({ Bucket: 'models', Key: key }));
  }

  /** From now on it answers only who signs with the keys of a user that may do everything. @returns these keys */
  async checkCredentials(): Promise<typeof KEYS> {
    const policy = { Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] };
    const UserName = 'tests';
    await this.#iam({ Action: 'CreateUser', UserName });
    await this.#iam({
      Action: 'PutUserPolicy',
      UserName,
      PolicyName: 'all',
      PolicyDocument: JSON.stringify({ Version: '2012-10-17', ...policy }),
    });
    const made = await this.#iam({ Action: 'CreateAccessKey', UserName });
    const find = (tag: string): string => new RegExp(`<${tag}>([^<]+)<`).exec(made)?.[1] ?? '';
    const init = { method: 'POST', body: '0' };
    await fetch(`http://${this.at}/moto-api/reset-auth`, init);
    return { accessKeyId: find('AccessKeyId'), secretAccessKey: find('SecretAccessKey') };
  }

  async #iam(parameters: Readonly<Record<string, string>>): Promise<string> {
    const answer = await fetch(`http://${this.at}/`, {
      method: 'POST',
      // moto finds the service by the scope of the signature, which it does not check yet.
      headers: {
        authorization:
          'AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0',
      },
      body: new URLSearchParams({ Version: '2010-05-08', ...parameters }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`moto answered ${answer.status}: ${text}`);
    return text;
  }

  /** Ends without a word. */
  async kill(): Promise<void> {
    this.#server.signal('SIGKILL');
    await this.#server.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.destroy();
    await this.#server.stop();
  }
}
