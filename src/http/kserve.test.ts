// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addonError } from '../../test/support/fake-engine.ts';
import { FakeServer } from '../../test/support/fake-server.ts';
import { TempRepository } from '../../test/support/temp-repository.ts';
import { matchRoute } from './routes.ts';

describe("KServe's routes", () => {
  it('answer in the words of KServe', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    await repository.addIdentity('a b');
    await repository.addIdentity('broken');
    await using server = new FakeServer(repository.path);
    server.engine.loadErrors.set('broken:1', addonError(3, 'no'));
    await server.server.start(['m', 'a b', 'broken']);
    const missing = '{"error":"Model with name nosuch does not exist."}';
    for (const [method, path, status, body] of [
      ['GET', '/', 200, '{"status":"alive"}'],
      ['GET', '/v2/models', 200, '{"models":["a b","m"]}'],
      ['GET', '/v1/models', 200, '{"models":["a b","m"]}'],
      ['GET', '/v1/models/m', 200, '{"name":"m","ready":true}'],
      ['GET', '/v1/models/a%20b', 200, '{"name":"a b","ready":true}'],
      ['GET', '/v1/models/nosuch', 404, missing],
      ['GET', '/v1/models/constructor', 404, missing.replace('nosuch', 'constructor')],
      ['GET', '/v1/models/broken', 503, '{"error":"Model with name broken is not ready."}'],
      [
        'POST',
        '/v1/models/broken:predict',
        503,
        '{"error":"Model with name broken is not ready."}',
      ],
      ['POST', '/v1/models/nosuch:predict', 404, missing],
      ['POST', '/v1/models/m:explain', 501, '{"error":"Model with name m has no explainer."}'],
      ['GET', '/v1/models/m:predict', 405, '{"error":"Method Not Allowed"}'],
      ['POST', '/v1/models', 405, '{"error":"Method Not Allowed"}'],
      ['POST', '/v1/models/m/versions/1:predict', 404, '{"error":"Not Found"}'],
    ] as const) {
      const reply = await server.http(method, path);
      assert.deepEqual([reply.status, String(reply.body)], [status, body], `${method} ${path}`);
    }
    const predict = await server.http('POST', '/v1/models/m:predict', '{"instances":[]}');
    assert.equal(predict.status, 400);
  });

  it('are not there when they are off', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    await using server = new FakeServer(repository.path, { kserveApi: false });
    await server.server.start(['m']);
    for (const path of ['/', '/v2/models', '/v1/models', '/v1/models/m', '/v1/models/m:predict']) {
      const { status, body } = await server.http('GET', path);
      assert.deepEqual([status, body], [404, '{"error":"Not Found"}'], path);
    }
  });

  it('take names apart as the table does', () => {
    const route = (path: string) => matchRoute(path)?.route;
    assert.deepEqual(route('/v1/models/a:b:predict'), {
      kind: 'kserve',
      what: 'predict',
      model: 'a:b',
    });
    assert.deepEqual(route('/v1/models/m:other'), {
      kind: 'kserve',
      what: 'model',
      model: 'm:other',
    });
    assert.equal(route('/v1/models/'), undefined);
    assert.equal(route('/v1/models/%E0%A4%A'), undefined);
  });
});

describe('properties in the metadata of a model', () => {
  it('are there under nereid alone', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    for (const program of ['tritonserver', 'nereid'] as const) {
      const modelProperties = program === 'nereid';
      await using server = new FakeServer(repository.path, { program });
      assert.equal(server.server.options.modelProperties, modelProperties);
      await server.server.start(['m']);
      const { body } = await server.http('GET', '/v2/models/m');
      const { properties } = JSON.parse(String(body)) as { properties?: unknown };
      const expected = { backend: 'identity', max_batch_size: '8', decoupled: 'false' };
      assert.deepEqual(properties, modelProperties ? expected : undefined);
    }
  });
});
