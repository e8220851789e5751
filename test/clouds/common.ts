// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import type { CheckReport } from '../../src/check/repository-check.ts';
import { askHttp, type HttpAnswer, inferBody } from '../support/http-client.ts';
import { projectRoot, startNereid } from '../support/nereid.ts';
import type { Endpoints, ServerProcess } from '../support/server-process.ts';
import { until } from '../support/until.ts';
import { IDENTITY, putDigits, putIdentity, SEVEN } from './models.ts';
import { StorePackages } from './store-packages.ts';

/** A real server of a store, with one bucket or container. */
export interface TestStore extends AsyncDisposable {
  /** of the bucket, as a repository */
  readonly url: string;
  readonly port: number;
  /** what a server that reads from here finds in its environment */
  readonly env: NodeJS.ProcessEnv;
  /** @param encoding Content-Encoding that the object says it has */
  put(key: string, body: string | Uint8Array, encoding?: string): Promise<void>;
  delete(key: string): Promise<void>;
  /** requests for objects with that name that it has answered */
  reads(name: string): number;
  /** Ends without a word. */
  kill(): Promise<void>;
}

export interface StoreKind {
  readonly name: string;
  readonly packageName: string;
  /** why the tests cannot run here, or `false` */
  readonly skip: string | false;
  /** its token of an object is the same when the same bytes are written again */
  readonly tellsContent: boolean;
  /** a name below a version folder that no file may have and the store takes; default climbs out of it */
  readonly hostileName?: string;
  /** @param port 0 = a free one */
  start(port?: number): Promise<TestStore>;
}

const STEP = 'ensemble_scheduling.step[0].model_name';
const LABELS = 'label_filename: "absent.txt" name: "OUT"';
const FLOW = `${IDENTITY.replace('backend: "identity"', 'platform: "ensemble"')}ensemble_scheduling { step {
  model_name: "wrong" model_version: -1 input_map { key: "IN" value: "IN" } output_map { key: "OUT" value: "OUT" }
} }
`;

const EXPLICIT = '--model-control-mode=explicit';
const POLL = ['--model-control-mode=poll', '--repository-poll-secs=1'];

const verb = (http: string, name: string, what: string): Promise<HttpAnswer> =>
  askHttp(http, 'POST', `/v2/repository/models/${name}/${what}`);

export async function isReady(http: string, name: string): Promise<boolean> {
  return (await askHttp(http, 'GET', `/v2/models/${name}/ready`)).status === 200;
}

/** What a repository does whatever the store. */
export function describeStore(kind: StoreKind): void {
  describe(`a repository in ${kind.name}`, { skip: kind.skip, timeout: 600_000 }, () => {
    const packages = new StorePackages(kind.packageName);
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

    it('serves what a prefix of it holds, and leaves nothing behind', async () => {
      await using store = await kind.start();
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

    it('reads what is stored as gzip, and what is only marked so', async () => {
      await using store = await kind.start();
      await putDigits({ put: (key, body) => store.put(key, gzipSync(body), 'gzip') });
      await putIdentity({ put: (key, body) => store.put(key, body, 'gzip') }, 'marked');
      await using server = await start(store.url, [], store.env);
      const { http } = server.endpoints;
      const answer = await askHttp(http, 'POST', '/v2/models/digits/infer', { body: SEVEN });
      assert.equal(answer.status, 200, answer.body + server.log);
      assert.equal(await isReady(http, 'marked'), true, server.log);
    });

    it('polls: only what changed is loaded again, what is gone is unloaded', async () => {
      await using store = await kind.start();
      for (const name of ['changes', 'stays', 'leaves']) await putIdentity(store, name);
      await using server = await start(store.url, POLL, store.env);
      const { http } = server.endpoints;
      if (kind.tellsContent) await putIdentity(store, 'stays');
      await store.put('changes/2/weights', 'two');
      await store.delete('leaves/config.pbtxt');
      await store.delete('leaves/1/');
      await putIdentity(store, 'arrives');
      await until(async () => (await isReady(http, 'arrives')) && !(await isReady(http, 'leaves')));
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
      await using store = await kind.start();
      await putDigits(store);
      await using server = await start(store.url, POLL, store.env);
      const { http } = server.endpoints;
      await store.kill();
      const said = (): number =>
        (server.log.match(/failed to poll model repository/g) ?? []).length;
      await until(() => said() > 0);
      const index = await askHttp(http, 'POST', '/v2/repository/index');
      assert.equal(index.status, 503);
      assert.match(index.body, /cannot list '\w\w:.*the store cannot be reached .*ECONNREFUSED/);
      const answer = await askHttp(http, 'POST', '/v2/models/digits/infer', { body: SEVEN });
      assert.equal(answer.status, 200, answer.body);
      await using again = await kind.start(store.port);
      await putDigits(again);
      await putIdentity(again, 'arrives');
      await until(() => isReady(http, 'arrives'));
      assert.equal(said(), 1);
    });

    it('loads and unloads what it is told to, for several servers at once', async () => {
      await using store = await kind.start();
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
      const answer = await askHttp(both[1] ?? '', 'POST', '/v2/models/digits/infer', {
        body: SEVEN,
      });
      assert.equal(answer.status, 200, answer.body);
      const before = store.reads('model.onnx');
      assert.ok(before >= 2);
      // What has not changed is not read again.
      assert.equal((await verb(both[1] ?? '', 'digits', 'load')).status, 200);
      assert.equal(store.reads('model.onnx'), before);
    });

    it('loads on demand', async () => {
      await using store = await kind.start();
      await putIdentity(store, 'm');
      await using server = await start(store.url, ['--model-control-mode=on-demand'], store.env);
      const path = '/v2/models/m/infer';
      const answer = await askHttp(server.endpoints.http, 'POST', path, { body: inferBody() });
      assert.equal(answer.status, 200, answer.body);
    });

    it('has nothing half loaded when the store dies during a download, and recovers', async () => {
      await using store = await kind.start();
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
      await store.kill();
      const failed = await loading;
      assert.equal(failed.status, 400, failed.body);
      assert.match(failed.body, /cannot download model 'm': the store cannot be reached/);
      assert.equal(await isReady(http, 'm'), false);
      assert.deepEqual(
        files().filter((name) => name.includes('weights')),
        [],
      );
      await using again = await kind.start(store.port);
      await putIdentity(again, 'm');
      assert.equal((await verb(http, 'm', 'load')).status, 200);
    });

    it('removes what a server left that was killed during a download', async () => {
      await using store = await kind.start();
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

    it('is checked without a server, with the places that things have in the store', async () => {
      await using store = await kind.start();
      await putDigits(store, 'team/');
      await putIdentity(store, 'team/wrong', 'nonsense: 1\n');
      await store.put('team/labels/config.pbtxt', IDENTITY.replace('name: "OUT"', LABELS));
      await store.put('team/labels/1/', '');
      await store.put('team/flow/config.pbtxt', FLOW);
      await store.put('team/flow/1/', '');
      const TMPDIR = copiesFolder('checked');
      const url = `${store.url}/team`;
      const words = [join(projectRoot, 'bin/nereid'), 'check', url, '--format=json'];
      const env = { ...process.env, ...store.env, TMPDIR, NODE_PATH: packages.path };
      const ended = await promisify(execFile)(process.execPath, words, { env }).catch(
        (failed: { stdout: string }) => failed,
      );
      const { models, findings } = JSON.parse(ended.stdout) as CheckReport;
      assert.equal(models, 4);
      assert.deepEqual(
        findings.map(({ code, file, line, field }) => [code, file, line, field]),
        [
          ['ensemble-wiring', `${url}/flow/config.pbtxt`, 6, STEP],
          ['label-file', `${url}/labels/config.pbtxt`, 4, 'output[0].label_filename'],
          ['unknown-field', `${url}/wrong/config.pbtxt`, 5, 'nonsense'],
        ],
      );
      assert.deepEqual(readdirSync(TMPDIR), []);
    });

    it('refuses a model with an object that would leave its folder, by its name', async () => {
      await using store = await kind.start();
      await putIdentity(store, 'm');
      await putIdentity(store, 'good');
      await store.put(`m/1/${kind.hostileName ?? 'a\\..\\b'}`, 'x');
      await using server = await start(store.url, [], store.env);
      const { http } = server.endpoints;
      assert.equal(await isReady(http, 'good'), true);
      assert.equal(await isReady(http, 'm'), false);
      assert.ok(
        /is no file of a model: the name (?:has a|must not climb)/.test(server.log),
        server.log,
      );
    });
  });
}
