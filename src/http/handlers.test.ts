// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { statisticsOf } from '../../test/support/fake-engine.ts';
import { FakeServer } from '../../test/support/fake-server.ts';
import { TempRepository } from '../../test/support/temp-repository.ts';
import type { HttpReply } from '../addon/control-call.ts';
import { readJsonObject, writeJson } from './json.ts';
import { matchRoute } from './routes.ts';

function show({ status, body }: HttpReply): [number, string] {
  return [status, typeof body === 'string' ? body : Buffer.from(body).toString()];
}

describe('the HTTP control column', () => {
  it('answers as Triton does, word for word', async () => {
    using repository = new TempRepository();
    await repository.addIdentity(
      'm',
      [1, 3, 4],
      'version_policy { specific { versions: [ 1, 3 ] } }',
    );
    await repository.addIdentity('late');
    await using server = new FakeServer(repository.path);
    await server.server.start(['m']);
    const tensors = (name: string): string =>
      `[{"name":"${name}","datatype":"INT32","shape":[-1,-1]}]`;
    const metadata = (versions: string): string =>
      `{"name":"m","versions":${versions},"platform":"identity","inputs":${tensors('IN')},"outputs":${tensors('OUT')}}`;
    const table: [string, string, string, number, string][] = [
      [
        'GET',
        '/v2',
        '',
        200,
        '{"name":"triton","version":"2.73.0","extensions":["classification","sequence","model_repository","model_repository(unload_dependents)","schedule_policy","model_configuration","system_shared_memory","cuda_shared_memory","binary_tensor_data","parameters","statistics","trace","logging"]}',
      ],
      ['GET', '/v2/', '', 404, '{"error":"Not Found"}'],
      ['GET', '/', '', 200, '{"status":"alive"}'],
      ['GET', '/v2/models', '', 200, '{"models":["m"]}'],
      ['GET', '/v2/models/m/', '', 404, '{"error":"Not Found"}'],
      ['GET', '/v2/models/m/versions/x', '', 404, '{"error":"Not Found"}'],
      ['POST', '/v2', '', 405, '{"error":"Method Not Allowed"}'],
      ['HEAD', '/v2', '', 405, '{"error":"Method Not Allowed"}'],
      ['GET', '/v2/repository/index', '', 405, '{"error":"Method Not Allowed"}'],
      ['GET', '/v2/models/m', '', 200, metadata('["1","3"]')],
      ['GET', '/v2/models/m/versions/1', '', 200, metadata('["1"]')],
      [
        'GET',
        '/v2/models/m/versions/4',
        '',
        404,
        '{"error":"Request for unknown model: \'m\' version 4 is not found"}',
      ],
      [
        'GET',
        '/v2/models/m/versions/99999999999999999999',
        '',
        400,
        '{"error":"failed to get model version from specified version string \'99999999999999999999\' (details: stol), version should be an integral value > 0"}',
      ],
      [
        'GET',
        '/v2/models/nosuch',
        '',
        404,
        '{"error":"Request for unknown model: \'nosuch\' is not found"}',
      ],
      [
        'GET',
        '/v2/models/nosuch/config',
        '',
        404,
        '{"error":"Request for unknown model: \'nosuch\' is not found"}',
      ],
      [
        'GET',
        '/v2/models/nosuch/stats',
        '',
        400,
        '{"error":"requested model \'nosuch\' is not available"}',
      ],
      [
        'GET',
        '/v2/models/m/versions/2/stats',
        '',
        400,
        '{"error":"requested model version is not available for model \'m\'"}',
      ],
      [
        'GET',
        '/v2/models/constructor',
        '',
        404,
        '{"error":"Request for unknown model: \'constructor\' is not found"}',
      ],
      [
        'POST',
        '/v2/repository/index',
        '',
        200,
        '[{"name":"late"},{"name":"m","version":"1","state":"READY"},{"name":"m","version":"3","state":"READY"}]',
      ],
      [
        'POST',
        '/v2/repository/any/index',
        '{"ready":true}',
        200,
        '[{"name":"m","version":"1","state":"READY"},{"name":"m","version":"3","state":"READY"}]',
      ],
      [
        'POST',
        '/v2/repository/index',
        '{"ready":1}',
        400,
        '{"error":"Invalid value for \'ready\': expected a boolean"}',
      ],
      [
        'POST',
        '/v2/repository/index',
        '[]',
        400,
        '{"error":"failed to parse the request JSON buffer: expected an object"}',
      ],
      ['POST', '/v2/repository/models/late/load', '', 200, ''],
      [
        'POST',
        '/v2/repository/models/late/unload',
        '{"parameters":{"unload_dependents":true}}',
        200,
        '',
      ],
      ['POST', '/v2/repository/models/nosuch/unload', '', 200, ''],
      [
        'POST',
        '/v2/repository/r/models/m/load',
        '',
        501,
        '{"error":"\'repository_name\' specification is not supported"}',
      ],
      [
        'POST',
        '/v2/repository/models/m/load',
        '{"parameters":{"foo":"x"}}',
        500,
        '{"error":"unexpected error on creating Triton parameter"}',
      ],
      [
        'POST',
        '/v2/repository/models/m/load',
        '{"parameters":{"file:1/x":"eA=="}}',
        400,
        '{"error":"Load parameter \'config\' must be specified for model file override"}',
      ],
      [
        'POST',
        '/v2/repository/models/%2e%2e/load',
        '',
        400,
        '{"error":"invalid model name \'..\', model name must not contain path traversal characters"}',
      ],
      ['GET', '/v2/systemsharedmemory/status', '', 200, '[]'],
      ['POST', '/v2/cudasharedmemory/unregister', '', 200, ''],
      ['POST', '/v2/test/m', '{}', 404, '{"error":"Not Found"}'],
    ];
    for (const [method, path, body, status, expected] of table) {
      assert.deepEqual(
        show(await server.http(method, path, body)),
        [status, expected],
        `${method} ${path}`,
      );
    }
    const broken = show(await server.http('POST', '/v2/repository/models/m/load', '{"a'));
    assert.equal(broken[0], 400);
    assert.match(broken[1], /^\{"error":"failed to parse the request JSON buffer: /);
  });

  it('says what every JSON answer is', async () => {
    using repository = new TempRepository();
    await using server = new FakeServer(repository.path);
    await server.server.start([]);
    for (const path of ['/v2', '/nosuch', '/v2/models/x']) {
      const { headers } = await server.http('GET', path);
      assert.deepEqual(headers.slice(0, 2), ['content-type', 'application/json'], path);
    }
    const refused = await server.http('PUT', '/v2/logging');
    assert.deepEqual(refused.headers.slice(2), ['allow', 'GET, POST']);
  });

  it('refuses load and unload outside explicit mode', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    await using server = new FakeServer(repository.path, { modelControlMode: 'none' });
    await server.server.start('*');
    for (const verb of ['load', 'unload']) {
      assert.deepEqual(show(await server.http('POST', `/v2/repository/models/m/${verb}`)), [
        503,
        '{"error":"explicit model load / unload is not allowed if polling is enabled"}',
      ]);
    }
  });

  it('prints the complete configuration', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    await using server = new FakeServer(repository.path);
    await server.server.start(['m']);
    const [status, body] = show(await server.http('GET', '/v2/models/m/config'));
    assert.equal(status, 200);
    const config = JSON.parse(body) as Record<string, unknown>;
    assert.deepEqual(config.version_policy, { latest: { num_versions: 1 } });
    assert.equal(config.max_batch_size, 8);
  });

  it('prints statistics with all 64 bits', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    await using server = new FakeServer(repository.path);
    await server.server.start(['m']);
    server.engine.statistics = [statisticsOf('m', 1), statisticsOf('gone', 1)];
    for (const path of [
      '/v2/models/stats',
      '/v2/models/m/stats',
      '/v2/models/m/versions/1/stats',
    ]) {
      const [status, body] = show(await server.http('GET', path));
      assert.equal(status, 200);
      assert.match(
        body,
        /^\{"model_stats":\[\{"name":"m","version":"1","last_inference":1764000000000,"inference_count":2,"execution_count":1,"inference_stats":\{"success":\{"count":2,"ns":9223372036854775809\}/,
      );
      assert.match(body, /"batch_stats":\[\{"batch_size":2,/);
      assert.doesNotMatch(body, /gone/);
    }
  });

  it('answers other paths of the metrics port with an empty page', async () => {
    using repository = new TempRepository();
    await using server = new FakeServer(repository.path);
    await server.server.start([]);
    assert.deepEqual(show(await server.http('GET', '/anything', '', 'metrics')), [200, '']);
    assert.equal((await server.http('POST', '/metrics', '', 'metrics')).status, 405);
  });

  it('opens the test door only with test backends', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    await using server = new FakeServer(repository.path, { enableTestBackends: true });
    await server.server.start(['m']);
    assert.deepEqual(show(await server.http('POST', '/v2/test/m', '{"open":1}')), [
      200,
      '{"handle":1,"got":{"open":1}}',
    ]);
    assert.equal((await server.http('POST', '/v2/test/nosuch', '{}')).status, 404);
  });
});

describe('matchRoute', () => {
  it('takes names apart that hold anything but a slash', () => {
    const route = matchRoute('/v2/models/a%20b.%C3%A9/versions/7/config')?.route;
    assert.deepEqual(route, { kind: 'model-config', model: 'a b.é', version: '7' });
    assert.equal(matchRoute('/v2/models/%E0%A4%A/config'), undefined);
    assert.equal(matchRoute('/v2/models/a/b/c'), undefined);
    assert.equal(matchRoute('/v2/models/m/versions/1/trace/setting'), undefined);
  });
});

describe('JSON', () => {
  it('prints bigint as the number it is and leaves undefined out', () => {
    assert.equal(
      writeJson({ a: 2n ** 64n, b: undefined, c: [null, 'x"', 1.5, -1n, undefined], d: {} }),
      '{"a":18446744073709551616,"c":[null,"x\\"",1.5,-1,null],"d":{}}',
    );
  });

  it('takes an empty body for an empty object and refuses anything but objects', () => {
    assert.deepEqual(readJsonObject(Buffer.from('')), {});
    assert.deepEqual(readJsonObject(Buffer.from('{"a":1}')), { a: 1 });
    for (const text of ['[]', '3', 'null', '"x"', '{', '\u0000', '{"a":1}x']) {
      assert.throws(() => readJsonObject(Buffer.from(text)), { code: 'InvalidArgument' }, text);
    }
    assert.throws(() => readJsonObject(Buffer.from([0x22, 0xff, 0x22])), {
      code: 'InvalidArgument',
    });
  });
});
