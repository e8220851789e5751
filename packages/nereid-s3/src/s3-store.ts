// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { addAbortSignal, type Readable } from 'node:stream';
import { GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import type {
  ListRequest,
  ObjectContent,
  ObjectPage,
  ObjectStore,
  StoredObject,
  StoreOptions,
} from 'nereid-server';
import { clientConfig } from './client-config.ts';
import { toStoreError } from './errors.ts';

/** One bucket. */
export class S3Store implements ObjectStore {
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor(options: StoreOptions) {
    this.#client = new S3Client(clientConfig(options));
    this.#bucket = options.bucket;
  }

  async list({ prefix, deep, next, signal }: ListRequest): Promise<ObjectPage> {
    const command = new ListObjectsV2Command({
      Bucket: this.#bucket,
      Prefix: prefix,
      ...(deep ? {} : { Delimiter: '/' }),
      ...(next === undefined ? {} : { ContinuationToken: next }),
    });
    try {
      const page = await this.#client.send(command, { abortSignal: signal });
      return {
        objects: (page.Contents ?? []).map(({ Key = '', Size = 0, ETag = '' }) => ({
          key: Key,
          bytes: Size,
          token: ETag,
        })),
        folders: (page.CommonPrefixes ?? []).map(({ Prefix = '' }) => Prefix),
        next: page.IsTruncated === true ? page.NextContinuationToken : undefined,
      };
    } catch (thrown) {
      throw toStoreError(thrown);
    }
  }

  async open(object: StoredObject, signal: AbortSignal): Promise<ObjectContent> {
    const command = new GetObjectCommand({
      Bucket: this.#bucket,
      Key: object.key,
      IfMatch: object.token,
    });
    try {
      const answer = await this.#client.send(command, { abortSignal: signal });
      // Under Node the SDK gives a stream of Node.
      const body = answer.Body as Readable;
      addAbortSignal(signal, body);
      const isEncrypted =
        answer.SSECustomerAlgorithm !== undefined ||
        (answer.ServerSideEncryption ?? '').startsWith('aws:kms');
      return {
        body: errorsOf(body),
        md5: isEncrypted ? undefined : md5Of(answer.ETag),
        encoding: answer.ContentEncoding,
      };
    } catch (thrown) {
      throw toStoreError(thrown, { isConditional: true });
    }
  }

  close(): void {
    this.#client.destroy();
  }
}

/**
 * The ETag of an object that came in one piece and is not encrypted by a key of its own is its MD5; others have a `-`.
 * @returns base64
 */
export function md5Of(etag: string | undefined): string | undefined {
  const hex = /^"?([0-9a-f]{32})"?$/.exec(etag ?? '')?.[1];
  return hex === undefined ? undefined : Buffer.from(hex, 'hex').toString('base64');
}

async function* errorsOf(body: Readable): AsyncGenerator<Uint8Array> {
  try {
    yield* body as AsyncIterable<Uint8Array>;
  } catch (thrown) {
    throw toStoreError(thrown);
  }
}
