// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { askHttp, inferBody } from '../support/http-client.ts';
import { startNereid } from '../support/nereid.ts';
import type { Endpoints, ServerProcess } from '../support/server-process.ts';
import { until } from '../support/until.ts';
import { IDENTITY, putDigits, putIdentity, SEVEN } from './models.ts';
import { S3Server, skipS3 } from './s3-server.ts';
import { StorePackages } from './store-packages.ts';

const EXPLICIT = '--model-control-mode=explicit';
const POLL = ['--model-control-mode=poll', '--repository-poll-secs=1'];

describe('a repository in S3', { skip: skipS3, timeout: 600_000 }, () => {
  const packages = new StorePackages('nereid-s3');
  const scratch = mkdtempSync(join(tmpdir(), 'nereid-clouds-'));
  after(() => {
    packages[Symbol.dispose]();
    rmSync(scratch, { recursive: true, force: true });
  });

  /** A folder for the copies of one server. */
  const copiesFolder = (name: string): string => {
    const path = join(scratch, name);
    mkdirSync(path);
    return path;
  };
  const start = (
    url: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv,
  ): Promise<ServerProcess & { endpoints: Endpoints }> =>
    startNereid({
      executable: 'nereid',
      args: [`--model-repository=${url}`, '--exit-on-error=false', ...args],
      env: { ...process.env, ...env, NODE_PATH: packages.path },
    });
  const verb = (http: string, name: string, what: string) =>
    askHttp(http, 'POST', `/v2/repository/models/${name}/${what}`);
  const ready = async (http: string, name: string): Promise<boolean> =>
    (await askHttp(http, 'GET', `/v2/models/${name}/ready`)).status === 200;

  it('serves what a prefix of it holds, and leaves nothing behind', async () => {
    await using store = await S3Server.start();
    await putDigits(store, 'team/');
    await store.put('other/config.pbtxt', 'nonsense');
    const TMPDIR = copiesFolder('serves');
    await using server = await start(`${store.url}/team/`, [], { ...store.env, TMPDIR });
    const { http } = server.endpoints;
    const answer = await askHttp(http, 'POST', '/v2/models/digits/infer', { body: SEVEN });
    assert.equal(answer.status, 200, answer.body);
    const index = await askHttp(http, 'POST', '/v2/repository/index');
    assert.deepEqual(JSON.parse(index.body), [{ name: 'digits', version: '1', state: 'READY' }]);
    assert.equal(readdirSync(TMPDIR).length, 1);
    assert.deepEqual(await server.stop(), { code: 0, signal: null });
    assert.deepEqual(readdirSync(TMPDIR), []);
  });

  it('polls: only what changed is loaded again, what is gone is unloaded', async () => {
    await using store = await S3Server.start();
    for (const name of ['changes', 'stays', 'leaves']) await putIdentity(store, name);
    await using server = await start(store.url, POLL, store.env);
    const { http } = server.endpoints;
    // The same bytes, written again: the ETag of S3 says that nothing changed.
    await putIdentity(store, 'stays');
    await store.put('changes/2/weights', 'two');
    await store.delete('leaves/config.pbtxt');
    await store.delete('leaves/1/');
    await putIdentity(store, 'arrives');
    await until(async () => (await ready(http, 'arrives')) && !(await ready(http, 'leaves')));
    await until(async () => {
      const path = '/v2/models/changes/versions/2/ready';
      return (await askHttp(http, 'GET', path)).status === 200;
    });
    const loads = server.log.match(/successfully loaded '\w+'/g) ?? [];
    assert.deepEqual(loads.map((line) => line.split("'")[1]).sort(), [
      'arrives',
      'changes',
      'changes',
      'leaves',
      'stays',
    ]);
  });

  it('goes on serving when the store vanishes in the middle, says so once, and follows again', async () => {
    await using store = await S3Server.start();
    await putDigits(store);
    await using server = await start(store.url, POLL, store.env);
    const { http } = server.endpoints;
    const port = Number(store.at.split(':')[1]);
    await store.kill();
    const said = (): number => (server.log.match(/failed to poll model repository/g) ?? []).length;
    await until(() => said() > 0);
    const index = await askHttp(http, 'POST', '/v2/repository/index');
    assert.equal(index.status, 503);
    assert.match(index.body, /cannot list 's3:.*the store cannot be reached .*ECONNREFUSED/);
    const answer = await askHttp(http, 'POST', '/v2/models/digits/infer', { body: SEVEN });
    assert.equal(answer.status, 200, answer.body);
    await using again = await S3Server.start(port);
    await putDigits(again);
    await putIdentity(again, 'arrives');
    await until(() => ready(http, 'arrives'));
    assert.equal(said(), 1);
    assert.equal((server.log.match(/successfully loaded 'digits'/g) ?? []).length, 1);
  });

  it('loads and unloads what it is told to, for several servers at once', async () => {
    await using store = await S3Server.start();
    await putDigits(store);
    const TMPDIR = copiesFolder('several');
    const env = { ...store.env, TMPDIR };
    await using one = await start(store.url, [EXPLICIT], env);
    await using two = await start(store.url, [EXPLICIT], env);
    const both = [one.endpoints.http, two.endpoints.http];
    for (const answer of await Promise.all(both.map((http) => verb(http, 'digits', 'load')))) {
      assert.equal(answer.status, 200, answer.body);
    }
    assert.equal((await verb(both[0] ?? '', 'digits', 'unload')).status, 200);
    await one.stop();
    const answer = await askHttp(both[1] ?? '', 'POST', '/v2/models/digits/infer', { body: SEVEN });
    assert.equal(answer.status, 200, answer.body);
    const before = store.requests.filter((line) => line.includes('model.onnx')).length;
    // What has not changed is not read again.
    assert.equal((await verb(both[1] ?? '', 'digits', 'load')).status, 200);
    assert.equal(store.requests.filter((line) => line.includes('model.onnx')).length, before);
  });

  it('loads on demand', async () => {
    await using store = await S3Server.start();
    await putIdentity(store, 'm');
    await using server = await start(store.url, ['--model-control-mode=on-demand'], store.env);
    const path = '/v2/models/m/infer';
    const answer = await askHttp(server.endpoints.http, 'POST', path, { body: inferBody() });
    assert.equal(answer.status, 200, answer.body);
  });

  it('has nothing half loaded when the store dies during a download, and recovers', async () => {
    await using store = await S3Server.start();
    await putIdentity(store, 'm');
    for (let file = 0; file < 4; file++) {
      await store.put(`m/1/weights-${file}`, new Uint8Array(64 << 20).fill(file));
    }
    const TMPDIR = copiesFolder('dies');
    await using server = await start(store.url, [EXPLICIT], { ...store.env, TMPDIR });
    const { http } = server.endpoints;
    const loading = verb(http, 'm', 'load');
    const files = (): string[] => readdirSync(TMPDIR, { recursive: true }).map(String);
    await until(() => files().some((name) => name.includes('weights')));
    const port = Number(store.at.split(':')[1]);
    await store.kill();
    const failed = await loading;
    assert.equal(failed.status, 400, failed.body);
    assert.match(failed.body, /cannot download model 'm': the store cannot be reached/);
    assert.equal(await ready(http, 'm'), false);
    assert.deepEqual(
      files().filter((name) => name.includes('weights')),
      [],
    );
    await using again = await S3Server.start(port);
    await putIdentity(again, 'm');
    assert.equal((await verb(http, 'm', 'load')).status, 200);
  });

  it('removes what a server left that was killed during a download', async () => {
    await using store = await S3Server.start();
    await putIdentity(store, 'm');
    await store.put('m/1/weights', new Uint8Array(256 << 20));
    const TMPDIR = copiesFolder('killed');
    const env = { ...store.env, TMPDIR };
    const killed = await start(store.url, [EXPLICIT], env);
    const loading = verb(killed.endpoints.http, 'm', 'load').catch(() => undefined);
    const files = (): string[] => readdirSync(TMPDIR, { recursive: true }).map(String);
    await until(() => files().some((name) => name.endsWith('weights')));
    killed.signal('SIGKILL');
    await killed.exited;
    await loading;
    assert.ok(files().some((name) => name.includes('.part')));
    await using server = await start(store.url, [EXPLICIT], env);
    assert.deepEqual(files(), []);
    await server.stop();
  });

  it('says what is wrong with credentials without repeating them, and reads the credential file', async () => {
    await using store = await S3Server.start();
    await putIdentity(store, 'm');
    const keys = await store.checkCredentials();
    const folder = copiesFolder('credentials');
    const file = join(folder, 'clouds.json');
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
    assert.equal(await ready(right.endpoints.http, 'm'), true);
  });

  it('refuses a model with an object that would leave its folder, by its name', async () => {
    await using store = await S3Server.start();
    await putIdentity(store, 'm');
    await putIdentity(store, 'good');
    await store.put('m/1/a\\..\\b', 'x');
    await using server = await start(store.url, [], store.env);
    const { http } = server.endpoints;
    assert.equal(await ready(http, 'good'), true);
    assert.equal(await ready(http, 'm'), false);
    assert.ok(server.log.includes('has a control character or a backslash'), server.log);
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
