// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { projectRoot, startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { until } from '../support/until.ts';

const CONFIG = JSON.stringify({
  backend: 'identity',
  max_batch_size: 8,
  input: [{ name: 'IN', data_type: 'TYPE_INT32', dims: [-1] }],
  output: [{ name: 'OUT', data_type: 'TYPE_INT32', dims: [-1] }],
});

const INT32 = { datatype: 'INT32', shape: [1, 16] };
const SIXTEEN = Array.from({ length: 16 }, (_, i) => i);

describe('files in a load', () => {
  const repository = new TempRepository();
  const temp = mkdtempSync(join(tmpdir(), 'nereid-test-'));
  let server: Awaited<ReturnType<typeof startNereid>>;

  const post = async (path: string, body: unknown = {}): Promise<[number, string]> => {
    const response = await fetch(`http://${server.endpoints.http}${path}`, {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return [response.status, await response.text()];
  };
  const load = (model: string, parameters: object): Promise<[number, string]> =>
    post(`/v2/repository/models/${model}/load`, { parameters });
  /** Folders of loads that the server keeps. */
  const kept = (): string[] =>
    readdirSync(temp)
      .filter((name) => name.startsWith('nereid-staging-'))
      .flatMap((name) => readdirSync(join(temp, name)));

  before(async () => {
    await repository.addIdentity('m');
    server = await startNereid({
      args: [`--model-repository=${repository.path}`, '--model-control-mode=explicit'],
      env: { ...process.env, TMPDIR: temp },
    });
  });
  after(async () => {
    await server?.stop();
    assert.deepEqual(readdirSync(temp), [], 'a stop leaves nothing behind');
    rmSync(temp, { recursive: true });
    repository[Symbol.dispose]();
  });

  it('bring an ONNX model that no repository has', async () => {
    const model = await readFile(join(projectRoot, 'model_repository/simple/1/model.onnx'));
    const config = JSON.stringify({ backend: 'onnxruntime', max_batch_size: 8 });
    const files = { 'file:3/model.onnx': model.toString('base64') };
    assert.deepEqual(await load('guest', { config, ...files }), [200, '']);
    const inputs = ['INPUT0', 'INPUT1'].map((name) => ({ name, ...INT32, data: SIXTEEN }));
    const [status, body] = await post('/v2/models/guest/infer', { inputs });
    assert.equal(status, 200, body);
    const answer = JSON.parse(body) as { model_version: string; outputs: { data: number[] }[] };
    assert.equal(answer.model_version, '3');
    assert.deepEqual(
      answer.outputs[0]?.data,
      SIXTEEN.map((i) => 2 * i),
    );
    assert.equal(kept().length, 1);
    assert.deepEqual(await post('/v2/repository/index'), [
      200,
      '[{"name":"guest","version":"3","state":"READY"},{"name":"m"}]',
    ]);
    await post('/v2/repository/models/guest/unload');
    await until(async () => kept().length === 0);
  });

  it('that are no model are told so, without a path of this machine', async () => {
    const config = JSON.stringify({ backend: 'onnxruntime', max_batch_size: 8 });
    const [status, body] = await load('guest', { config, 'file:1/model.onnx': 'AAAA' });
    assert.equal(status, 400, body);
    assert.ok(!body.includes(temp) && !body.includes('staging'), body);
    assert.deepEqual(kept(), []);
  });

  it('write to no path that a caller names', async () => {
    const outside = join(temp, 'outside');
    for (const key of [
      'file:1/../../../outside',
      'file:../outside',
      `file:${outside}`,
      `file:1/${outside}`,
      'file:1/a\0b',
      'file:1\\..\\outside',
      'file:',
    ]) {
      const [status, body] = await load('m', { config: CONFIG, [key]: 'eA==' });
      assert.equal(status, 500, body);
      assert.match(body, /^\{"error":"failed to load 'm', failed to poll from model repository: /);
    }
    assert.equal(existsSync(outside), false);
    assert.deepEqual(kept(), []);
  });

  it('are refused by the thousand, and when they are code', async () => {
    const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`file:1/${i}`, '']));
    const [status, body] = await load('m', { config: CONFIG, ...many });
    assert.equal(status, 500);
    assert.match(body, /expected at most 1024 files, got 10000/);
    const [code, text] = await load('m', { config: CONFIG, 'file:1/libm.so': 'eA==' });
    assert.equal(code, 501);
    assert.match(text, /Start the server with '--allow-override-code=true' to enable\./);
    assert.deepEqual(kept(), []);
  });

  it('are refused when they are larger than a control call may be', async () => {
    // Refused by its head: the client need not send it.
    const status = await new Promise((resolve, reject) => {
      const headers = { 'content-length': 65 * 1024 * 1024 };
      const [host, port] = server.endpoints.http.split(':');
      const path = '/v2/repository/models/m/load';
      const call = request({ host, port, path, method: 'POST', headers }, (response) => {
        resolve(response.statusCode);
        call.destroy();
      });
      call.on('error', reject);
      call.flushHeaders();
    });
    assert.equal(status, 413);
    assert.deepEqual(kept(), []);
  });
});
