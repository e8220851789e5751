// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ask, type CloudAnswer, type CloudServer, startCloud } from '../support/clouds.ts';
import { TempRepository } from '../support/temp-repository.ts';

const SAGEMAKER = 'Sagemaker HTTPService';
const MIME = 'application/vnd.sagemaker-triton.binary+json;json-header-size=';
const TARGET = 'x-amzn-sagemaker-target-model';

const JSON_REQUEST = '{"inputs":[{"name":"IN","shape":[1,2],"datatype":"INT32","data":[7,8]}]}';
const HEAD =
  '{"inputs":[{"name":"IN","shape":[1,2],"datatype":"INT32","parameters":{"binary_data_size":8}}],' +
  '"outputs":[{"name":"OUT","parameters":{"binary_data":true}}]}';
const TENSOR = Buffer.from([7, 0, 0, 0, 8, 0, 0, 0]);
const BINARY_REQUEST = Buffer.concat([Buffer.from(HEAD), TENSOR]);

const text = ({ body }: CloudAnswer): string => body.toString();

function outputs(answer: CloudAnswer): unknown {
  return (JSON.parse(text(answer)) as { outputs: unknown }).outputs;
}

for (const executable of ['tritonserver', 'nereid'] as const) {
  describe(`the SageMaker port of ${executable}`, () => {
    const repository = new TempRepository();
    const archives = new TempRepository();
    let cloud: CloudServer;
    let at = '';
    let http = '';

    before(async () => {
      await repository.addIdentity('m');
      await archives.addIdentity('abc/model/some');
      await archives.addIdentity('def/model');
      cloud = await startCloud(
        executable,
        [SAGEMAKER, 'HTTPService', 'Metrics Service'],
        [
          `--model-repository=${repository.path}`,
          '--model-control-mode=explicit',
          '--load-model=m',
          '--allow-sagemaker=true',
          `--sagemaker-model-root=${archives.path}`,
        ],
        { SAGEMAKER_TRITON_DEFAULT_MODEL_NAME: 'm' },
      );
      at = cloud.at(SAGEMAKER);
      http = cloud.at('HTTPService');
    });

    after(async () => {
      await cloud.server[Symbol.asyncDispose]();
      repository[Symbol.dispose]();
      archives[Symbol.dispose]();
    });

    it('answers /ping', async () => {
      assert.equal((await ask(at, 'GET', '/ping')).status, 200);
      assert.equal((await ask(at, 'POST', '/ping')).status, 405);
    });

    it('answers /invocations with JSON, with binary data and raw', async () => {
      const json = await ask(at, 'POST', '/invocations', JSON_REQUEST);
      assert.equal(json.type, 'application/json');
      assert.deepEqual(outputs(json), [
        { name: 'OUT', datatype: 'INT32', shape: [1, 2], data: [7, 8] },
      ]);
      for (const [size, body] of [
        [HEAD.length, BINARY_REQUEST],
        [0, TENSOR],
      ] as const) {
        const type = `${MIME}${size}`;
        const answer = await ask(at, 'POST', '/invocations', body, { 'content-type': type });
        assert.equal(answer.status, 200, text(answer));
        assert.equal(answer.jsonSize, undefined);
        assert.ok(answer.type?.startsWith(MIME), answer.type);
        const jsonSize = Number(answer.type?.slice(MIME.length));
        assert.deepEqual(answer.body.subarray(jsonSize), TENSOR);
        assert.equal(JSON.parse(answer.body.subarray(0, jsonSize).toString()).model_name, 'm');
      }
    });

    it('reads the size of the JSON part from the content type alone', async () => {
      const table = [
        [`${MIME}9999`, 400, /inference header size should be in range \(0, \d+\), got: 9999/],
        [`x ${MIME}5`, 400, /expect MIME type for binary data starts with 'application\/vnd/],
        [`${MIME}${HEAD.length}; charset=x`, 200, /^{"model_name":"m"/],
      ] as const;
      for (const [type, status, expected] of table) {
        const answer = await ask(at, 'POST', '/invocations', BINARY_REQUEST, {
          'content-type': type,
        });
        assert.equal(answer.status, status, type);
        assert.match(text(answer), expected);
      }
      const ignored = { 'inference-header-content-length': String(HEAD.length) };
      const answer = await ask(at, 'POST', '/invocations', BINARY_REQUEST, ignored);
      assert.equal(answer.status, 400);
    });

    it('knows no compression', async () => {
      const headers = { 'accept-encoding': 'gzip', 'content-encoding': 'gzip' };
      const answer = await ask(at, 'POST', '/invocations', JSON_REQUEST, headers);
      assert.equal(answer.status, 200);
      assert.match(text(answer), /^{"model_name":"m"/);
    });

    it('loads, asks and unloads the models of a multi-model endpoint', async () => {
      const load = (name: string, target?: string): Promise<CloudAnswer> =>
        ask(
          at,
          'POST',
          '/models',
          JSON.stringify({ model_name: name, url: `${archives.path}/${name}/model` }),
          target === undefined ? {} : { [TARGET]: target },
        );
      assert.equal((await ask(at, 'POST', '/models/abc/invoke', JSON_REQUEST)).status, 404);
      const loaded = await load('abc');
      assert.equal(loaded.status, 200, text(loaded));
      assert.equal((await load('abc')).status, 409);
      const answer = await ask(at, 'POST', '/models/abc/invoke', JSON_REQUEST);
      assert.match(text(answer), /^{"model_name":"abc","model_version":"1"/);
      assert.equal((await load('def', 'd.tar.gz')).status, 200);
      const other = await ask(at, 'POST', '/models/def/invoke', JSON_REQUEST, {
        [TARGET]: 'd.tar.gz',
      });
      assert.match(text(other), /^{"model_name":"d.tar.gz"/);
      const index = text(await ask(http, 'POST', '/v2/repository/index'));
      assert.deepEqual((JSON.parse(index) as { name: string }[]).map(({ name }) => name).sort(), [
        'abc',
        'd.tar.gz',
        'm',
      ]);
      const wrong = await ask(at, 'POST', '/models/abc/invoke', '{}');
      assert.equal(wrong.status, 400);
      // Without its header the second one is looked for under its hash.
      const unknown = await ask(at, 'POST', '/models/def/invoke', JSON_REQUEST);
      assert.equal(unknown.status, 400);
      assert.match(text(unknown), /Request for unknown model: 'def' is not found/);
      assert.equal((await ask(at, 'DELETE', '/models/abc')).status, 200);
      assert.equal((await ask(at, 'POST', '/models/abc/invoke', JSON_REQUEST)).status, 404);
      assert.equal((await ask(http, 'GET', '/v2/models/abc')).status, 404);
      assert.match(text(await ask(at, 'GET', '/models')), /^{"models":\[{"modelName":"def"/);
      assert.equal((await load('abc')).status, 200);
    });

    it('answers 400 with an empty body to everything else', async () => {
      for (const [method, path] of [
        ['GET', '/v2'],
        ['POST', '/v2/models/m/infer'],
        ['PUT', '/models'],
        ['GET', '/'],
        ['GET', '/metrics'],
        ['POST', '/invocations/'],
      ] as const) {
        const answer = await ask(at, method, path);
        assert.deepEqual([answer.status, text(answer)], [400, ''], path);
      }
    });
  });
}

describe('SAGEMAKER_TRITON_INFERENCE_TYPE', () => {
  it('makes /invocations generate', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    const cloud = await startCloud(
      'tritonserver',
      [SAGEMAKER],
      [`--model-repository=${repository.path}`, '--allow-sagemaker=true'],
      {
        SAGEMAKER_TRITON_DEFAULT_MODEL_NAME: 'm',
        SAGEMAKER_TRITON_INFERENCE_TYPE: 'generate_stream',
      },
    );
    await using _ = cloud.server;
    const answer = await ask(cloud.at(SAGEMAKER), 'POST', '/invocations', '{"IN":[7,8]}');
    assert.equal(answer.status, 200, text(answer));
    assert.match(answer.type ?? '', /^text\/event-stream/);
    assert.match(text(answer), /^data: {.*"OUT":\[7,8\].*}\n\n$/);
  });
});
