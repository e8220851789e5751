// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ask, type CloudAnswer, type CloudServer, startCloud } from '../support/clouds.ts';
import { TempRepository } from '../support/temp-repository.ts';

const VERTEX_AI = 'Vertex AI HTTPService';
const MIME = 'application/vnd.vertex-ai-triton.binary+json;json-header-size=';
const REDIRECT = 'x-vertex-ai-triton-redirect';

const JSON_REQUEST = '{"inputs":[{"name":"IN","shape":[1,2],"datatype":"INT32","data":[7,8]}]}';
const HEAD =
  '{"inputs":[{"name":"IN","shape":[1,2],"datatype":"INT32","parameters":{"binary_data_size":8}}],' +
  '"outputs":[{"name":"OUT","parameters":{"binary_data":true}}]}';
const TENSOR = Buffer.from([7, 0, 0, 0, 8, 0, 0, 0]);

const text = ({ body }: CloudAnswer): string => body.toString();

for (const executable of ['tritonserver', 'nereid'] as const) {
  describe(`${executable} where AIP_MODE=PREDICTION`, () => {
    const repository = new TempRepository();
    let cloud: CloudServer;
    let at = '';

    before(async () => {
      await repository.addIdentity('m');
      cloud = await startCloud(executable, [VERTEX_AI, 'Metrics Service'], [], {
        AIP_MODE: 'PREDICTION',
        AIP_STORAGE_URI: repository.path,
        AIP_PREDICT_ROUTE: '/predict',
        AIP_HEALTH_ROUTE: '/health',
      });
      at = cloud.at(VERTEX_AI);
    });

    after(async () => {
      await cloud.server[Symbol.asyncDispose]();
      repository[Symbol.dispose]();
    });

    it('opens neither the HTTP nor the gRPC port', () => {
      assert.doesNotMatch(cloud.server.log, /Started HTTPService|Started GRPCInferenceService/);
    });

    it('answers the health route', async () => {
      assert.equal((await ask(at, 'GET', '/health')).status, 200);
      assert.equal((await ask(at, 'POST', '/health')).status, 405);
    });

    it('asks the only model on the predict route', async () => {
      const json = await ask(at, 'POST', '/predict', JSON_REQUEST);
      assert.equal(json.type, 'application/json');
      assert.match(text(json), /^{"model_name":"m".*"data":\[7,8\]}\]}$/);
      assert.equal((await ask(at, 'GET', '/predict')).status, 405);
      const body = Buffer.concat([Buffer.from(HEAD), TENSOR]);
      const type = `${MIME}${HEAD.length}`;
      const binary = await ask(at, 'POST', '/predict', body, { 'content-type': type });
      assert.equal(binary.status, 200, text(binary));
      // Triton answers in the form of its own port.
      assert.equal(binary.type, 'application/octet-stream');
      assert.deepEqual(binary.body.subarray(Number(binary.jsonSize)), TENSOR);
    });

    it('reaches the routes of the protocol by a header', async () => {
      const redirected = (target: string, body = ''): Promise<CloudAnswer> =>
        ask(at, 'POST', '/predict', body, { [REDIRECT]: target });
      const table: [string, RegExp][] = [
        ['v2', /"extensions":/],
        ['v2/models/m', /"inputs":/],
        ['v2/models/m/config', /"max_batch_size":8/],
        ['v2/models/stats', /^{"model_stats":/],
        ['v2/repository/index', /^\[{"name":"m"/],
        ['v2/systemsharedmemory/status', /^\[\]$/],
        ['metrics', /^# HELP nv_/m],
        ['v2/health/ready', /^{"ready":true}$/],
      ];
      for (const [target, expected] of table) {
        const answer = await redirected(target);
        assert.equal(answer.status, 200, target);
        assert.match(text(answer), expected, target);
      }
      const infer = await redirected('v2/models/m/versions/1/infer', JSON_REQUEST);
      assert.match(text(infer), /"data":\[7,8\]/);
      const generated = await redirected('v2/models/m/generate', '{"IN":[7,8]}');
      assert.match(text(generated), /"OUT":\[7,8\]/);
      assert.equal((await redirected('v2/models/other')).status, 404);
      for (const target of ['v2/logging', 'v2/cudasharedmemory/unregister', '/v2', 'nope', '']) {
        const answer = await redirected(target);
        assert.deepEqual([answer.status, text(answer)], [400, ''], target);
      }
      const get = await ask(at, 'GET', '/predict', '', { [REDIRECT]: 'v2' });
      assert.equal(get.status, 405);
    });

    it('answers 400 to every other path', async () => {
      for (const path of ['/v2', '/v2/models/m/infer', '/metrics', '/', '/predict/']) {
        assert.equal((await ask(at, 'POST', path, JSON_REQUEST)).status, 400, path);
      }
    });
  });
}

describe('the start of the Vertex AI port', () => {
  it('fails without its routes, without its model and for a bucket', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    const routes = { AIP_PREDICT_ROUTE: '/p', AIP_HEALTH_ROUTE: '/h' };
    const table: [NodeJS.ProcessEnv, string[], RegExp][] = [
      [{}, [], /API_PREDICT_ROUTE is not defined for Vertex AI endpoint/],
      [routes, ['--vertex-ai-default-model=x'], /Expect the default model 'x' is loaded/],
    ];
    for (const [env, args, reason] of table) {
      const all = ['--allow-vertex-ai=true', `--model-repository=${repository.path}`, ...args];
      const { server } = await startCloud('tritonserver', [VERTEX_AI], all, env);
      assert.equal((await server.exited).code, 1);
      assert.match(server.log, reason);
    }
    const env = { ...routes, AIP_MODE: 'PREDICTION', AIP_STORAGE_URI: 'gs://bucket/models' };
    const { server } = await startCloud('tritonserver', [VERTEX_AI], [], env);
    assert.equal((await server.exited).code, 1);
    assert.match(server.log, /gs:\/\/ repositories need the package nereid-gcs: npm install/);
  });
});
