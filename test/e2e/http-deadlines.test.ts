// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { askHttp, type HttpAnswer, inferBody } from '../support/http-client.ts';
import { startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { testDoor } from '../support/test-door.ts';
import { until } from '../support/until.ts';

describe('deadlines in headers of HTTP requests', () => {
  const repository = new TempRepository();
  let server: Awaited<ReturnType<typeof startNereid>>;

  before(async () => {
    await repository.addIdentity('m');
    await repository.addGate('gated');
    server = await startNereid({
      executable: 'nereid',
      args: [`--model-repository=${repository.path}`, '--enable-test-backends'],
    });
  });

  after(async () => {
    await server?.stop();
    repository[Symbol.dispose]();
  });

  const infer = (model: string, headers: Record<string, string>): Promise<HttpAnswer> =>
    askHttp(server.endpoints.http, 'POST', `/v2/models/${model}/infer`, {
      headers,
      body: inferBody(),
    });
  const gate = (control: object) => testDoor(server.endpoints, 'gated', control);

  for (const headers of [
    { 'x-request-timeout-ms': '50' },
    { 'grpc-timeout': '50m' },
    { 'X-Envoy-Expected-Rq-Timeout-Ms': '50' },
    { 'x-request-timeout-ms': '60000', 'x-envoy-expected-rq-timeout-ms': '50' },
  ]) {
    it(`end a request that waits, as ${Object.keys(headers).join(' and ')} ask`, async () => {
      const { status, body } = await infer('gated', headers as Record<string, string>);
      assert.equal(status, 504);
      assert.equal(body, '{"error":"Deadline Exceeded"}');
    });
  }

  it('take what waits in the queue with them', async () => {
    // One execution holds the instance; what comes behind it waits in the queue.
    const first = infer('gated', {});
    await until(async () => (await gate({})).waiting >= 1);
    const { executed } = await gate({});
    const late = await Promise.all(
      Array.from({ length: 4 }, () => infer('gated', { 'x-request-timeout-ms': '50' })),
    );
    for (const { status } of late) assert.equal(status, 504);
    await gate({ action: 'open' });
    assert.equal((await first).status, 200);
    assert.equal((await infer('gated', {})).status, 200);
    // What was in execution when its deadline passed has run; the rest never did.
    const after = await gate({});
    assert.ok(after.executed <= executed + 6, JSON.stringify(after));
  });

  it('are far enough away for most', async () => {
    assert.equal((await infer('m', { 'x-request-timeout-ms': '60000' })).status, 200);
    assert.equal((await infer('m', {})).status, 200);
  });

  it('must be numbers', async () => {
    for (const [name, value] of [
      ['x-request-timeout-ms', 'soon'],
      ['x-request-timeout-ms', '-1'],
      ['x-request-timeout-ms', '1.5'],
      ['x-request-timeout-ms', ''],
      ['x-request-timeout-ms', '99999999999'],
      ['grpc-timeout', '5'],
      ['grpc-timeout', '123456789S'],
      ['x-envoy-expected-rq-timeout-ms', '0x10'],
    ] as const) {
      const { status, body } = await infer('m', { [name]: value });
      assert.equal(status, 400, `${name}: ${value}`);
      assert.match(body, new RegExp(`malformed ${name} '`));
    }
  });

  it('mean nothing under the name tritonserver', async () => {
    const triton = await startNereid({
      args: [`--model-repository=${repository.path}`, '--enable-test-backends'],
    });
    try {
      const { status } = await askHttp(triton.endpoints.http, 'POST', '/v2/models/m/infer', {
        headers: { 'x-request-timeout-ms': 'soon', 'grpc-timeout': '0n' },
        body: inferBody(),
      });
      assert.equal(status, 200);
    } finally {
      await triton.stop();
    }
  });
});
