// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { loadBinding } from '../../src/addon/binding.ts';
import { GrpcClient } from '../support/grpc-client.ts';
import { askHttp, inferBody } from '../support/http-client.ts';
import { startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';

/** One secret for each category of Triton, so that a refusal tells which one a route is in. */
const KEYS = {
  health: 'hk',
  metadata: 'mk',
  inference: 'ik',
  'shared-memory': 'shk',
  'model-config': 'ck',
  'model-repository': 'rk',
  statistics: 'sk',
  trace: 'tk',
  logging: 'lk',
} as const;

const GRPC_SERVICE = '/inference.GRPCInferenceService/';

describe('restricted APIs', () => {
  const repository = new TempRepository();
  let server: Awaited<ReturnType<typeof startNereid>>;
  let grpc: GrpcClient;

  before(async () => {
    await repository.addIdentity('m');
    const flags = Object.entries(KEYS).flatMap(([category, key]) => [
      `--http-restricted-api=${category}:${key}=s=e:cret`,
      `--grpc-restricted-protocol=${category}:${key}=s=e:cret`,
    ]);
    server = await startNereid({ args: [`--model-repository=${repository.path}`, ...flags] });
    grpc = new GrpcClient(server.endpoints.grpc);
  });

  after(async () => {
    grpc?.[Symbol.dispose]();
    await server?.stop();
    repository[Symbol.dispose]();
  });

  const rows = loadBinding().routes.filter(
    ({ api, service }) => api in KEYS && (service === 'http' || service === 'grpc'),
  );

  // Recorded from Triton 2.51 with the same flags: the category of each route.
  const TRITON: readonly (readonly [string, keyof typeof KEYS])[] = [
    ['/v2', 'metadata'],
    ['/v2/health/live', 'health'],
    ['/v2/health/ready', 'health'],
    ['/v2/models/m/ready', 'health'],
    ['/v2/models/unknown/ready', 'health'],
    ['/v2/models/m', 'metadata'],
    ['/v2/models/m/config', 'model-config'],
    ['/v2/models/stats', 'statistics'],
    ['/v2/models/m/stats', 'statistics'],
    ['/v2/models/m/infer', 'inference'],
    ['/v2/models/m/generate', 'inference'],
    ['/v2/models/m/generate_stream', 'inference'],
    ['/v2/models/m/trace/setting', 'trace'],
    ['/v2/trace/setting', 'trace'],
    ['/v2/logging', 'logging'],
    ['/v2/repository/index', 'model-repository'],
    ['/v2/repository/models/m/load', 'model-repository'],
    ['/v2/systemsharedmemory/status', 'shared-memory'],
    ['/v2/cudasharedmemory/region/a/register', 'shared-memory'],
  ];

  it('refuses each route as Triton does, whatever the method', async () => {
    for (const [path, category] of TRITON) {
      for (const method of ['GET', 'POST', 'PUT', 'OPTIONS']) {
        const { status, body } = await askHttp(server.endpoints.http, method, path);
        assert.equal(status, 403, `${method} ${path}`);
        const text = `{"error":"This API is restricted, expecting header '${KEYS[category]}'"}`;
        assert.equal(body, text, `${method} ${path}`);
      }
    }
  });

  for (const { service, pattern, api, methods } of rows) {
    it(`restricts ${pattern} by its category alone`, async () => {
      const key = KEYS[api as keyof typeof KEYS];
      if (service === 'grpc') {
        if (!pattern.startsWith(GRPC_SERVICE)) return;
        const name = pattern.slice(GRPC_SERVICE.length);
        if (name === 'ModelStreamInfer') return;
        const refused = await grpc.call(name);
        assert.equal(refused.code, 'UNAVAILABLE');
        const text = `This protocol is restricted, expecting header 'triton-grpc-protocol-${key}'`;
        assert.equal(refused.details, text);
        const { details } = await grpc.call(
          name,
          {},
          { [`triton-grpc-protocol-${key}`]: 's=e:cret' },
        );
        assert.doesNotMatch(details, /restricted/);
        return;
      }
      const path = pattern
        .replaceAll(/\[[^\]]*\]/g, '')
        .replaceAll('{m}', 'm')
        .replaceAll('{r}', 'r');
      const [method = ''] = methods;
      const refused = await askHttp(server.endpoints.http, method, path);
      assert.equal(refused.status, 403, path);
      const wrong = await askHttp(server.endpoints.http, method, path, { headers: { [key]: 's' } });
      assert.equal(wrong.status, 403, path);
      const right = { [key.toUpperCase()]: 's=e:cret' };
      const { body } = await askHttp(server.endpoints.http, method, path, { headers: right });
      assert.doesNotMatch(body, /restricted/, path);
    });
  }

  it('answers 404 and 405 as ever behind the secret', async () => {
    const headers = { mk: 's=e:cret' };
    const { http } = server.endpoints;
    assert.equal((await askHttp(http, 'PUT', '/v2', { headers })).status, 405);
    assert.equal((await askHttp(http, 'GET', '/v2/nope')).status, 404);
    const infer = { headers: { ik: 's=e:cret' }, body: inferBody() };
    assert.equal((await askHttp(http, 'POST', '/v2/models/m/infer', infer)).status, 200);
  });
});
