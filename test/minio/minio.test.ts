// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { describeStore } from '../clouds/common.ts';
import { putIdentity } from '../clouds/models.ts';
import { StorePackages } from '../clouds/store-packages.ts';
import { startNereid } from '../support/nereid.ts';
import { MinioServer, skipMinio } from './minio-server.ts';

describeStore({
  name: 'MinIO',
  packageName: 'nereid-s3',
  skip: skipMinio,
  tellsContent: true,
  // It refuses names that climb.
  hostileName: 'a\\b',
  start: (port) => MinioServer.start(port),
});

describe('MinIO', { skip: skipMinio, timeout: 120_000 }, () => {
  const packages = new StorePackages('nereid-s3');
  after(() => packages[Symbol.dispose]());

  it('refuses who signs with other keys, and the log repeats none of them', async () => {
    await using store = await MinioServer.start();
    await putIdentity(store, 'm');
    const fails = (given: NodeJS.ProcessEnv, why: RegExp): Promise<void> =>
      assert.rejects(
        startNereid({
          executable: 'nereid',
          args: [`--model-repository=${store.url}`],
          env: { ...process.env, ...store.env, NODE_PATH: packages.path, ...given },
        }),
        ({ message }: Error) => {
          assert.match(message, /cannot list 's3:.*access was denied, check the credentials/);
          assert.match(message, why);
          assert.ok(!message.includes('wrong-sEcReT'), message);
          return true;
        },
      );
    await fails({ AWS_SECRET_ACCESS_KEY: 'wrong-sEcReT' }, /SignatureDoesNotMatch, status 403/);
    await fails({ AWS_ACCESS_KEY_ID: 'nobody' }, /InvalidAccessKeyId, status 403/);
  });

  it('says that a bucket is not there', async () => {
    await using store = await MinioServer.start();
    await assert.rejects(
      startNereid({
        executable: 'nereid',
        args: [`--model-repository=s3://${store.at}/absent`],
        env: { ...process.env, ...store.env, NODE_PATH: packages.path },
      }),
      { message: /no such bucket or object \(NoSuchBucket/ },
    );
  });
});
