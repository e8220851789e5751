// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { loadBinding } from '../../src/addon/binding.ts';
import { GrpcClient } from '../support/grpc-client.ts';
import { askHttp, inferBody } from '../support/http-client.ts';
import { startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';

const ELSEWHERE = '{"error":"This API answers on the management port only"}';

describe('the management port', () => {
  const repository = new TempRepository();
  let server: Awaited<ReturnType<typeof startNereid>>;
  let management: string;

  before(async () => {
    await repository.addIdentity('m');
    server = await startNereid({
      args: [
        `--model-repository=${repository.path}`,
        '--model-control-mode=explicit',
        '--load-model=*',
        '--management-port=0',
      ],
    });
    management = /Started Management Service at ([^\s"]+)/.exec(server.log)?.[1] ?? '';
    assert.match(management, /^127\.0\.0\.1:\d+$/);
  });

  after(async () => {
    await server?.stop();
    repository[Symbol.dispose]();
  });

  const rows = loadBinding().routes.filter(({ service }) => service === 'http');
  for (const { pattern, methods, management: isManagement, api } of rows) {
    const where = isManagement ? 'alone has' : api === 'inference' ? 'has not' : 'has too';
    it(`${where} ${pattern}`, async () => {
      const path = pattern
        .replaceAll(/\[[^\]]*\]/g, '')
        .replaceAll('{m}', 'm')
        .replaceAll('{r}', 'r');
      const body = isManagement || api === 'inference' ? { body: '{' } : {};
      const [method = ''] = methods;
      const there = await askHttp(server.endpoints.http, method, path, body);
      const here = await askHttp(management, method, path, body);
      assert.equal(there.body === ELSEWHERE && there.status === 403, isManagement, path);
      assert.notEqual(here.body, ELSEWHERE, path);
      assert.equal(here.status === 403, api === 'inference', path);
    });
  }

  it('speaks gRPC too', async () => {
    using there = new GrpcClient(server.endpoints.grpc);
    using here = new GrpcClient(management);
    const load = { model_name: 'm' };
    const refused = await there.call('RepositoryModelLoad', load);
    assert.equal(refused.code, 'PERMISSION_DENIED');
    assert.equal(refused.details, 'This API answers on the management port only');
    assert.equal((await here.call('RepositoryModelLoad', load)).code, 'OK');
    assert.equal((await here.call('ServerReady')).code, 'OK');
    assert.equal((await here.call('ModelInfer')).code, 'PERMISSION_DENIED');
  });

  it('leaves inference where it was', async () => {
    const request = { body: inferBody() };
    const { status } = await askHttp(server.endpoints.http, 'POST', '/v2/models/m/infer', request);
    assert.equal(status, 200);
  });
});
