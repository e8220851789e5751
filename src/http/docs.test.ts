// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { FakeServer } from '../../test/support/fake-server.ts';
import { TempRepository } from '../../test/support/temp-repository.ts';
import { escapeHtml } from './docs-page.ts';
import { curlCommand, exampleRequest } from './example-request.ts';

const ROUTES = [
  '/v2/docs',
  '/v2/docs/openapi.json',
  '/v2/models/m/docs',
  '/v2/models/m/docs/openapi.json',
];

async function start(repository: TempRepository, program: 'nereid' | 'tritonserver') {
  const server = new FakeServer(repository.path, { program });
  await server.server.start('*');
  return server;
}

describe('pages and documents', () => {
  it('are there under nereid alone', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    await using triton = await start(repository, 'tritonserver');
    await using nereid = await start(repository, 'nereid');
    for (const path of ROUTES) {
      assert.equal((await triton.http('GET', path)).status, 404, path);
      assert.equal((await nereid.http('GET', path)).status, 200, path);
      assert.equal((await nereid.http('POST', path)).status, 405, path);
    }
    assert.equal((await nereid.http('GET', '/v2/models/nosuch/docs')).status, 404);
  });

  it('escape the names of models and tensors', async () => {
    using repository = new TempRepository();
    const name = `<script>alert('1')&"`;
    await repository.write(
      `${name}/config.pbtxt`,
      `backend: "identity" input [{ name: "</code><img>" data_type: TYPE_INT32 dims: [ 2 ] }]
      output [{ name: "'\\"" data_type: TYPE_INT32 dims: [ 2 ] }]`,
    );
    await repository.write(`${name}/1/any`, '');
    await using server = await start(repository, 'nereid');
    for (const path of ['/v2/docs', `/v2/models/${encodeURIComponent(name)}/docs`]) {
      const { status, body, headers } = await server.http('GET', path);
      const html = String(body);
      assert.equal(status, 200);
      assert.doesNotMatch(html, /<script|<img|<\/code><img/);
      assert.match(html, /&lt;script&gt;alert\(/);
      assert.equal(headers[headers.indexOf('x-content-type-options') + 1], 'nosniff');
      assert.ok(!headers.join('').includes(name));
    }
  });

  it('fetch nothing: the one style is named by its hash and all else is forbidden', async () => {
    using repository = new TempRepository();
    await using server = await start(repository, 'nereid');
    const { body, headers } = await server.http('GET', '/v2/docs');
    const policy = headers[headers.indexOf('content-security-policy') + 1] ?? '';
    const style = /<style>([^<]*)<\/style>/.exec(String(body))?.[1] ?? '';
    const hash = createHash('sha256').update(style).digest('base64');
    assert.match(policy, /^default-src 'none'; /);
    assert.ok(policy.includes(`style-src 'sha256-${hash}'`));
    assert.doesNotMatch(String(body), /<script|<link|<img|src=|@import|url\(/);
    assert.doesNotMatch(String(body), /(?:href)="(?:https?:)?\/\//);
  });
});

describe('example requests', () => {
  const tensor = (name: string, datatype: 'FP32' | 'FP16' | 'BYTES', ...shape: bigint[]) => ({
    name,
    datatype,
    shape,
  });

  it('are zeros in the right shapes', () => {
    const example = exampleRequest(
      { inputs: [tensor('a', 'FP32', -1n, 2n), tensor('s', 'BYTES', 1n)], outputs: [] },
      true,
    );
    assert.deepEqual(JSON.parse(example.json), {
      inputs: [
        { name: 'a', datatype: 'FP32', shape: [1, 2], data: [0, 0] },
        { name: 's', datatype: 'BYTES', shape: [1], data: ['text'] },
      ],
    });
    assert.equal(example.tailBytes, 0);
  });

  it('send large tensors, and what JSON does not carry, as bytes', () => {
    const inputs = [
      tensor('a', 'FP32', 3n, 100n),
      tensor('b', 'FP32', 2n),
      tensor('h', 'FP16', 3n),
    ];
    const example = exampleRequest({ inputs, outputs: [tensor('o', 'FP16', 1n)] }, false);
    assert.equal(example.tailBytes, 1200 + 6);
    assert.ok(example.binaryAnswer);
    assert.match(example.json, /^\{"parameters":\{"binary_data_output":true\},/);
    assert.match(example.json, /"b","datatype":"FP32","shape":\[2\],"data":\[0,0\]/);
    const curl = curlCommand('http://h/x', example);
    assert.match(curl, /head -c 1206 \/dev\/zero/);
    assert.match(curl, new RegExp(`Inference-Header-Content-Length: ${example.json.length}'`));
  });

  it('are quoted for the shell', () => {
    const inputs = [{ ...tensor("it's", 'FP32', 1n) }];
    const curl = curlCommand("http://h/it's", exampleRequest({ inputs, outputs: [] }, true));
    assert.ok(curl.includes(`'http://h/it'\\''s'`));
    assert.ok(curl.includes(`"name":"it'\\''s"`));
  });
});

describe('escapeHtml', () => {
  it('leaves no character that HTML reads', () => {
    assert.equal(escapeHtml(`a<b>&"c'`), 'a&lt;b&gt;&amp;&quot;c&#39;');
  });
});
