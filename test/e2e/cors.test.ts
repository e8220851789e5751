// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { askHttp, type HttpAnswer, inferBody } from '../support/http-client.ts';
import { startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';

const ORIGIN = 'https://app.example';
const KEY = 'a-key-of-some-length';

describe('calls from pages of other origins', () => {
  const repository = new TempRepository();
  const folder = mkdtempSync(join(tmpdir(), 'nereid-cors-'));
  let server: Awaited<ReturnType<typeof startNereid>>;

  before(async () => {
    await repository.addIdentity('m');
    writeFileSync(join(folder, 'keys'), JSON.stringify({ key: KEY, scopes: ['infer'] }));
    server = await startNereid({
      args: [
        `--model-repository=${repository.path}`,
        `--cors-origins=${ORIGIN},http://localhost:3000`,
        `--api-keys-file=${join(folder, 'keys')}`,
      ],
    });
  });

  after(async () => {
    await server?.stop();
    repository[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const ask = (
    method: string,
    path: string,
    headers: Record<string, string>,
    body?: string,
  ): Promise<HttpAnswer> =>
    askHttp(server.endpoints.http, method, path, {
      headers,
      ...(body === undefined ? {} : { body }),
    });

  const preflight = (path: string, origin: string, method = 'POST'): Promise<HttpAnswer> =>
    ask('OPTIONS', path, {
      origin,
      'access-control-request-method': method,
      'access-control-request-headers': 'content-type,x-api-key',
    });

  it('are asked about first, and answered without a key', async () => {
    const { status, headers, body } = await preflight('/v2/models/m/infer', ORIGIN);
    assert.equal(status, 204);
    assert.equal(body, '');
    assert.equal(headers['access-control-allow-origin'], ORIGIN);
    assert.equal(headers['access-control-allow-methods'], 'POST');
    assert.equal(headers['access-control-allow-headers'], 'content-type,x-api-key');
    assert.equal(headers['access-control-max-age'], '600');
    assert.match(String(headers.vary), /origin/i);
    const control = await preflight('/v2/trace/setting', ORIGIN);
    assert.equal(control.headers['access-control-allow-methods'], 'GET, POST');
  });

  it('are refused to origins that are not listed', async () => {
    for (const origin of ['https://evil.example', `${ORIGIN}.evil`, 'null', 'http://app.example']) {
      const { status, headers } = await preflight('/v2/models/m/infer', origin);
      assert.equal(status, 403, origin);
      assert.equal(headers['access-control-allow-origin'], undefined);
      const answer = await ask('GET', '/v2', { origin, 'x-api-key': KEY });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers['access-control-allow-origin'], undefined);
      assert.match(String(answer.headers.vary), /origin/i);
    }
  });

  it('may be read, whoever answers and however it ends', async () => {
    const own = { origin: ORIGIN, 'x-api-key': KEY };
    const cases: [string, Record<string, string>, string | undefined, number][] = [
      ['/v2/models/m/infer', own, inferBody(), 200],
      ['/v2/models/m/infer', own, '{', 400],
      ['/v2/models/m/infer', { origin: ORIGIN }, inferBody(), 401],
      ['/v2/models/m/generate', own, '{"IN":[1]}', 200],
      ['/v2/models/m/generate_stream', own, '{"IN":[1]}', 200],
      ['/v2/repository/index', own, '', 403],
      ['/v2/models/nope/infer', own, inferBody(), 404],
      ['/v2/nope', own, '', 404],
    ];
    for (const [path, headers, body, expected] of cases) {
      const answer = await ask('POST', path, headers, body);
      assert.equal(answer.status, expected, `${path} ${answer.body}`);
      assert.equal(answer.headers['access-control-allow-origin'], ORIGIN, path);
      assert.match(
        String(answer.headers['access-control-expose-headers']),
        /inference-header-content-length/,
      );
    }
    for (const path of ['/v2', '/v2/health/ready', '/v2/models/m']) {
      const { headers } = await ask('GET', path, own);
      assert.equal(headers['access-control-allow-origin'], ORIGIN, path);
    }
  });

  it('are no concern of requests without an origin', async () => {
    const { headers } = await ask('GET', '/v2', { 'x-api-key': KEY });
    assert.equal(headers['access-control-allow-origin'], undefined);
    assert.match(String(headers.vary), /origin/i);
    // Without the question of a browser it is a method like any other.
    assert.equal((await ask('OPTIONS', '/v2', { origin: ORIGIN, 'x-api-key': KEY })).status, 405);
  });

  it('are allowed to everybody where the list says so', async () => {
    const open = await startNereid({
      args: [`--model-repository=${repository.path}`, '--cors-origins=*'],
    });
    try {
      const { headers } = await askHttp(open.endpoints.http, 'GET', '/v2', {
        headers: { origin: 'https://anybody.example' },
      });
      assert.equal(headers['access-control-allow-origin'], '*');
      assert.equal(headers.vary, undefined);
    } finally {
      await open.stop();
    }
  });
});
