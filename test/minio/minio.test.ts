// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { describeStore, isReady } from '../clouds/common.ts';
import { putIdentity } from '../clouds/models.ts';
import { StorePackages } from '../clouds/store-packages.ts';
import { askHttp } from '../support/http-client.ts';
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

  it('reads again what was cut, and serves nothing half', async () => {
    await using store = await MinioServer.start();
    await putIdentity(store, 'm');
    const weights = randomBytes(8 << 20);
    await store.put('m/1/weights', weights);
    const TMPDIR = mkdtempSync(join(tmpdir(), 'nereid-clouds-'));
    after(() => rmSync(TMPDIR, { recursive: true, force: true }));
    await using server = await startNereid({
      executable: 'nereid',
      args: [`--model-repository=${store.url}`, '--model-control-mode=explicit'],
      env: { ...process.env, ...store.env, NODE_PATH: packages.path, TMPDIR },
    });
    const load = () =>
      askHttp(server.endpoints.http, 'POST', '/v2/repository/models/m/load', { body: '{}' });
    store.cutConnections(3, 1 << 20);
    const answer = await load();
    assert.equal(answer.status, 200, answer.body);
    assert.equal(store.cutsLeft, 0);
    const files = readdirSync(TMPDIR, { recursive: true }).map(String);
    const [copy = ''] = files.filter((file) => file.endsWith('weights'));
    assert.ok(readFileSync(join(TMPDIR, copy)).equals(weights));
    // Always cut: the load fails in a sentence, and what serves goes on.
    await store.put('m/1/weights', weights.reverse());
    store.cutConnections(1000, 1 << 20);
    const failed = await load();
    assert.equal(failed.status, 400, failed.body);
    assert.match(failed.body, /cannot download model 'm': the store cannot be reached/);
    assert.equal(await isReady(server.endpoints.http, 'm'), true);
    assert.deepEqual(
      readdirSync(TMPDIR, { recursive: true })
        .map(String)
        .filter((file) => /weights|part/.test(file)),
      [copy],
    );
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
