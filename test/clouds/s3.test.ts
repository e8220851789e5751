// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { startNereid } from '../support/nereid.ts';
import { describeStore, isReady } from './common.ts';
import { IDENTITY, putIdentity } from './models.ts';
import { S3Server, skipS3 } from './s3-server.ts';
import { StorePackages } from './store-packages.ts';

describeStore({
  name: 'S3',
  packageName: 'nereid-s3',
  skip: skipS3,
  tellsContent: true,
  start: (port) => S3Server.start(port),
});

describe('S3', { skip: skipS3, timeout: 120_000 }, () => {
  const packages = new StorePackages('nereid-s3');
  const scratch = mkdtempSync(join(tmpdir(), 'nereid-clouds-'));
  after(() => {
    packages[Symbol.dispose]();
    rmSync(scratch, { recursive: true, force: true });
  });

  it('says what is wrong with credentials without repeating them, and reads the credential file', async () => {
    await using store = await S3Server.start();
    await putIdentity(store, 'm');
    const keys = await store.checkCredentials();
    const file = join(scratch, 'clouds.json');
    const entry = (secret: string) => ({ key_id: keys.accessKeyId, secret_key: secret });
    const write = (secret: string) =>
      writeFileSync(
        file,
        JSON.stringify({ s3: { '': entry('unused'), [`s3://${store.at}`]: entry(secret) } }),
      );
    write('wrong/sEcReT+');
    const env = { ...process.env, TRITON_CLOUD_CREDENTIAL_PATH: file, NODE_PATH: packages.path };
    const wrong = startNereid({
      executable: 'nereid',
      args: [`--model-repository=${store.url}`],
      env,
    });
    await assert.rejects(wrong, (thrown: Error) => {
      assert.match(thrown.message, /cannot list 's3:.*access was denied, check the credentials/);
      assert.match(thrown.message, /SignatureDoesNotMatch, status 403/);
      assert.ok(!thrown.message.includes('sEcReT') && !thrown.message.includes(keys.accessKeyId));
      return true;
    });
    write(keys.secretAccessKey);
    await using right = await startNereid({
      executable: 'tritonserver',
      args: [`--model-repository=${store.url}`],
      env,
    });
    assert.equal(await isReady(right.endpoints.http, 'm'), true);
  });

  it('says at the start that a bucket is not there, and how to get its package', async () => {
    await using store = await S3Server.start();
    await store.put('m/config.pbtxt', IDENTITY);
    const fails = (url: string, NODE_PATH: string, sentence: RegExp) =>
      assert.rejects(
        startNereid({
          executable: 'nereid',
          args: [`--model-repository=${url}`],
          env: { ...process.env, ...store.env, NODE_PATH },
        }),
        { message: sentence },
      );
    await fails(
      `s3://${store.at}/absent`,
      packages.path,
      /no such bucket or object \(NoSuchBucket/,
    );
    await fails(store.url, '', /need the package nereid-s3: npm install nereid-s3/);
    await fails('s3://', packages.path, /expected s3:\/\/bucket\/path/);
  });
});
