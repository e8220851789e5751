// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { loadBinding } from '../../src/addon/binding.ts';
import { GrpcClient } from '../support/grpc-client.ts';
import { askHttp, type HttpAnswer, inferBody } from '../support/http-client.ts';
import { NativeHeap } from '../support/native-heap.ts';
import { startNereid } from '../support/nereid.ts';
import { ServerFacts } from '../support/server-facts.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { AUDIENCE, forge, ISSUER, TokenIssuer } from '../support/token-issuer.ts';
import { until } from '../support/until.ts';

const KEYS = {
  all: 'key-for-everything-here',
  infer: 'key-for-inference-alone',
  manage: 'key-for-management-alone',
  metrics: 'key-for-metrics-alone',
  team: 'key-for-some-models-only',
};

type Server = Awaited<ReturnType<typeof startNereid>>;

const infer = (
  server: Server,
  headers: Record<string, string> = {},
  model = 'one',
): Promise<HttpAnswer> =>
  askHttp(server.endpoints.http, 'POST', `/v2/models/${model}/infer`, {
    headers,
    body: inferBody(),
  });

const grpcRequest = (model: string): object => ({
  model_name: model,
  inputs: [{ name: 'IN', shape: [1, 1], datatype: 'INT32', contents: { int_contents: [1] } }],
});

describe('API keys', () => {
  const repository = new TempRepository();
  const folder = mkdtempSync(join(tmpdir(), 'nereid-keys-'));
  const file = join(folder, 'keys.jsonl');
  let server: Server;
  let grpc: GrpcClient;

  const writeKeys = (...lines: object[]): void => {
    // As a deployment does it: whole or not at all.
    writeFileSync(`${file}.new`, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    renameSync(`${file}.new`, file);
  };
  const LINES = [
    {
      sha256: createHash('sha256').update(KEYS.all).digest('hex'),
      scopes: ['infer', 'manage', 'metrics'],
    },
    { key: KEYS.infer, scopes: ['infer'] },
    { key: KEYS.manage, scopes: ['manage'] },
    { key: KEYS.metrics, scopes: ['metrics'] },
    { key: KEYS.team, scopes: ['infer', 'manage', 'metrics'], models: ['one', 'team-*'] },
  ];

  before(async () => {
    for (const model of ['one', 'two', 'team-a']) await repository.addIdentity(model);
    writeKeys(...LINES);
    server = await startNereid({
      args: [
        `--model-repository=${repository.path}`,
        '--model-control-mode=explicit',
        '--load-model=*',
        `--api-keys-file=${file}`,
      ],
    });
    grpc = new GrpcClient(server.endpoints.grpc);
  });

  after(async () => {
    grpc?.[Symbol.dispose]();
    await server?.stop();
    repository[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  it('are needed for every route but those of health', async () => {
    const rows = loadBinding().routes.filter(({ service }) => service === 'http');
    for (const { pattern, methods, api } of rows) {
      const path = pattern
        .replaceAll(/\[[^\]]*\]/g, '')
        .replaceAll('{m}', 'one')
        .replaceAll('{r}', 'r');
      const { status, headers, body } = await askHttp(
        server.endpoints.http,
        methods[0] ?? 'GET',
        path,
      );
      assert.equal(status === 401, api !== 'health', path);
      if (status !== 401) continue;
      assert.match(String(headers['www-authenticate']), /^Bearer /);
      assert.match(body, /^\{"error":"an API key or a token is needed/);
    }
    const page = await askHttp(server.endpoints.metrics, 'GET', '/metrics');
    assert.equal(page.status, 401);
    for (const name of ['ServerMetadata', 'ModelInfer', 'RepositoryModelLoad', 'LogSettings']) {
      assert.equal((await grpc.call(name)).code, 'UNAUTHENTICATED', name);
    }
    assert.equal((await grpc.call('ServerLive')).code, 'OK');
  });

  it('are taken from both headers, and from metadata', async () => {
    for (const headers of [
      { authorization: `Bearer ${KEYS.infer}` },
      { 'x-api-key': KEYS.infer },
      { Authorization: `bearer ${KEYS.infer}` },
    ]) {
      assert.equal((await infer(server, headers)).status, 200);
    }
    for (const headers of [
      { authorization: `Basic ${KEYS.infer}` },
      { 'x-api-key': `${KEYS.infer}x` },
      { 'x-api-key': KEYS.infer.slice(0, -1) },
      { 'x-api-key': createHash('sha256').update(KEYS.all).digest('hex') },
    ]) {
      assert.equal((await infer(server, headers)).status, 401);
    }
    const { code } = await grpc.call('ModelInfer', grpcRequest('one'), { 'x-api-key': KEYS.infer });
    assert.equal(code, 'OK');
  });

  it('are good for their scopes', async () => {
    const { http, metrics } = server.endpoints;
    const ask = async (key: string, at: string, method: string, path: string): Promise<string> => {
      const body = method === 'POST' && path.endsWith('infer') ? { body: inferBody() } : {};
      const answer = await askHttp(at, method, path, { headers: { 'x-api-key': key }, ...body });
      return answer.status === 403 ? answer.body : String(answer.status);
    };
    const lacks = (scope: string): string =>
      `{"error":"the API key or token lacks the scope '${scope}'"}`;
    const table: [key: string, infer: string, load: string, page: string][] = [
      [KEYS.all, '200', '200', '200'],
      [KEYS.infer, '200', lacks('manage'), lacks('metrics')],
      [KEYS.manage, lacks('infer'), '200', lacks('metrics')],
      [KEYS.metrics, lacks('infer'), lacks('manage'), '200'],
    ];
    for (const [key, inferred, loaded, page] of table) {
      assert.equal(await ask(key, http, 'POST', '/v2/models/one/infer'), inferred);
      assert.equal(await ask(key, http, 'POST', '/v2/repository/models/one/load'), loaded);
      assert.equal(await ask(key, metrics, 'GET', '/metrics'), page);
    }
    const refused = await grpc.call('RepositoryIndex', {}, { 'x-api-key': KEYS.infer });
    assert.equal(refused.code, 'PERMISSION_DENIED');
    assert.equal(refused.details, "the API key or token lacks the scope 'manage'");
  });

  it('are good for their models, wherever the name of the model stands', async () => {
    const key = { 'x-api-key': KEYS.team };
    assert.equal((await infer(server, key, 'one')).status, 200);
    assert.equal((await infer(server, key, 'team%2Da')).status, 200);
    const two = await infer(server, key, 'tw%6F');
    assert.equal(two.status, 403);
    assert.equal(two.body, `{"error":"the API key or token does not cover model 'two'"}`);
    // A model that is not there looks like one that is not covered.
    assert.equal((await infer(server, key, 'nope')).status, 403);
    const over = async (name: string, message: object): Promise<string> =>
      (await grpc.call(name, message, key)).code;
    assert.equal(await over('ModelInfer', grpcRequest('team-a')), 'OK');
    assert.equal(await over('ModelInfer', grpcRequest('two')), 'PERMISSION_DENIED');
    assert.equal(await over('ModelMetadata', { name: 'one' }), 'OK');
    assert.equal(await over('ModelMetadata', { name: 'two' }), 'PERMISSION_DENIED');
    assert.equal(await over('RepositoryModelLoad', { model_name: 'one' }), 'OK');
    assert.equal(await over('RepositoryModelLoad', { model_name: 'two' }), 'PERMISSION_DENIED');
    assert.equal(await over('ModelStatistics', { name: 'one' }), 'OK');
    assert.equal(await over('ModelStatistics', {}), 'PERMISSION_DENIED');
    assert.equal(await over('RepositoryIndex', {}), 'PERMISSION_DENIED');
    assert.equal(await over('ServerMetadata', {}), 'OK');
  });

  it('change with their file, while those that are no good change nothing', async () => {
    const fresh = 'a-key-that-came-later';
    writeFileSync(`${file}.new`, 'nonsense\n');
    renameSync(`${file}.new`, file);
    await until(() => /API keys: API keys, line 1: expected a JSON object/.test(server.log));
    assert.equal((await infer(server, { 'x-api-key': KEYS.infer })).status, 200);
    writeKeys(...LINES.slice(2), { key: fresh, scopes: ['infer'] });
    await until(async () => (await infer(server, { 'x-api-key': fresh })).status === 200);
    assert.equal((await infer(server, { 'x-api-key': KEYS.infer })).status, 401);
    assert.ok(!server.log.includes(fresh), 'no key is logged');
    writeKeys(...LINES);
    await until(async () => (await infer(server, { 'x-api-key': KEYS.infer })).status === 200);
  });

  it('end the start when they cannot be read', async () => {
    const start = (path: string): Promise<Server> =>
      startNereid({ args: [`--model-repository=${repository.path}`, `--api-keys-file=${path}`] });
    await assert.rejects(start('/nowhere/keys'), /cannot read \/nowhere\/keys: ENOENT/);
    writeFileSync(join(folder, 'bad'), '{"key":"0123456789abcdef"}');
    await assert.rejects(start(join(folder, 'bad')), /line 1: expected "scopes" to be a list/);
  });
});

describe('tokens', () => {
  const repository = new TempRepository();
  let issuer: TokenIssuer;
  let server: Server;
  let grpc: GrpcClient;

  before(async () => {
    for (const model of ['one', 'two']) await repository.addIdentity(model);
    issuer = await TokenIssuer.start();
    server = await startNereid({
      // Its young generation does not grow: what is resident tells what is kept.
      env: NativeHeap.env(),
      args: [
        `--model-repository=${repository.path}`,
        `--jwt-jwks-url=${issuer.url}`,
        `--jwt-issuer=${ISSUER}`,
        `--jwt-audience=${AUDIENCE}`,
        '--jwt-models-claim=models',
        '--io-threads=2',
      ],
    });
    grpc = new GrpcClient(server.endpoints.grpc);
  });

  after(async () => {
    grpc?.[Symbol.dispose]();
    await server?.stop();
    await issuer?.[Symbol.asyncDispose]();
    repository[Symbol.dispose]();
  });

  const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });
  const good = (claims: object = {}): Promise<string> => issuer.token({ models: ['*'], ...claims });

  it('are verified once and remembered', async () => {
    const headers = bearer(await good());
    const answers = await Promise.all(Array.from({ length: 32 }, () => infer(server, headers)));
    for (const { status, body } of answers) assert.equal(status, 200, body);
    for (let i = 0; i < 20; i++) assert.equal((await infer(server, headers)).status, 200);
    assert.equal(issuer.fetches, 1);
    const { code } = await grpc.call('ModelInfer', grpcRequest('one'), headers);
    assert.equal(code, 'OK');
  });

  it('are good for their scopes and models', async () => {
    const some = bearer(await good({ models: ['one'] }));
    assert.equal((await infer(server, some, 'one')).status, 200);
    assert.equal((await infer(server, some, 'two')).status, 403);
    assert.equal((await infer(server, some, 't%77o')).status, 403);
    for (const _ of ['unknown to native', 'known']) {
      const refused = await grpc.call('ModelInfer', grpcRequest('two'), some);
      assert.equal(refused.code, 'PERMISSION_DENIED', refused.details);
    }
    const fresh = bearer(await good({ models: ['one'], jti: 'grpc first' }));
    const first = await grpc.call('ModelInfer', grpcRequest('two'), fresh);
    assert.equal(first.code, 'PERMISSION_DENIED');
    const none = await infer(server, bearer(await issuer.token()));
    assert.match(none.body, /does not cover model 'one'/);
    const watcher = await infer(server, bearer(await good({ scope: 'metrics' })));
    assert.match(watcher.body, /lacks the scope 'infer'/);
  });

  it('are refused with a reason that tells nothing of the server', async () => {
    const past = Math.floor(Date.now() / 1000) - 60;
    for (const [token, text] of [
      [await good({ exp: past }), 'the token has expired'],
      [await good({ aud: 'other' }), 'a claim of the token is missing or not accepted'],
      [forge({ alg: 'none' }, { scope: 'infer' }, () => ''), 'the API key or token is not valid'],
    ] as const) {
      const { status, body } = await infer(server, bearer(token));
      assert.equal(status, 401);
      assert.equal(body, `{"error":"${text}"}`);
      const { code, details } = await grpc.call('ModelInfer', grpcRequest('one'), bearer(token));
      assert.deepEqual([code, details], ['UNAUTHENTICATED', text]);
    }
  });

  it('are waited for while the body comes, however slowly', async () => {
    const token = await good({ jti: 'slow body' });
    const body = inferBody();
    const head = `POST /v2/models/one/infer HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`;
    const { hostname, port } = new URL(`http://${server.endpoints.http}`);
    const text = await new Promise<string>((resolve, reject) => {
      const socket = connectTcp(Number(port), hostname, () => {
        socket.write(head + body.slice(0, 10));
        // Another request learns of the verdict first.
        void infer(server, bearer(token)).then(() => socket.write(body.slice(10)));
      });
      let received = '';
      socket.on('data', (chunk) => {
        received += String(chunk);
      });
      socket.on('end', () => resolve(received));
      socket.on('error', reject);
    });
    assert.match(text, /^HTTP\/1\.1 200 /);
  });

  it('of clients that leave before the verdict are forgotten', async () => {
    const { hostname, port } = new URL(`http://${server.endpoints.http}`);
    for (let i = 0; i < 50; i++) {
      const token = await good({ jti: `gone ${i}` });
      await new Promise<void>((resolve, reject) => {
        const socket = connectTcp(Number(port), hostname, () => {
          socket.write(
            `POST /v2/models/one/infer HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Length: 999\r\n\r\n`,
            () => socket.destroy(),
          );
        });
        socket.on('close', () => resolve());
        socket.on('error', reject);
      });
    }
    assert.equal((await infer(server, bearer(await good({ jti: 'after' })))).status, 200);
  });

  it('follow a rotation of the keys', async () => {
    await issuer.rotate(true, 'ES256');
    // The issuer is asked again after its pause.
    let tries = 0;
    await until(async () => {
      tries += 1;
      return (await infer(server, bearer(await good({ jti: `try ${tries}` })))).status === 200;
    });
    assert.ok(issuer.fetches >= 2);
  });

  it('do not fill the memory, whatever they are', async () => {
    const facts = new ServerFacts(server);
    const random = (): string =>
      `${randomBytes(30).toString('base64url')}.${randomBytes(150).toString('base64url')}.${randomBytes(60).toString('base64url')}`;
    const { Agent, request } = await import('node:http');
    const agent = new Agent({ keepAlive: true, maxSockets: 32 });
    const once = (): Promise<number> =>
      new Promise((resolve, reject) => {
        const call = request(
          `http://${server.endpoints.http}/v2/models/one`,
          { agent, headers: bearer(random()) },
          (response) => {
            response.resume();
            response.on('end', () => resolve(response.statusCode ?? 0));
          },
        );
        call.on('error', reject);
        call.end();
      });
    const burst = async (count: number): Promise<void> => {
      for (let sent = 0; sent < count; sent += 500) {
        const statuses = await Promise.all(Array.from({ length: 500 }, once));
        for (const status of statuses) assert.ok(status === 401 || status === 503, String(status));
      }
    };
    await burst(5_000);
    const before = facts.residentKib();
    await burst(20_000);
    const grown = facts.residentKib() - before;
    agent.destroy();
    assert.ok(grown < 32 * 1024, `${grown} KiB more after 20,000 tokens`);
    assert.equal((await infer(server, bearer(await good({ jti: 'still' })))).status, 200);
  });

  it('cannot be judged while the issuer is away, and those that were go on', async () => {
    await using own = await TokenIssuer.start();
    const known = await own.token();
    const lone = await startNereid({
      args: [`--model-repository=${repository.path}`, `--jwt-jwks-url=${own.url}`],
    });
    try {
      own.failure = { status: 500, body: '' };
      const away = await infer(lone, bearer(known));
      assert.equal(away.status, 503);
      assert.match(away.body, /keys that sign tokens cannot be fetched now, retry later/);
      own.failure = undefined;
      await until(async () => (await infer(lone, bearer(known))).status === 200);
      own.failure = { status: 500, body: '' };
      assert.equal((await infer(lone, bearer(known))).status, 200);
    } finally {
      await lone.stop();
    }
  });

  it('may be signed by keys of a file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'nereid-jwks-'));
    const path = join(folder, 'jwks.json');
    writeFileSync(path, '{}');
    const args = [`--model-repository=${repository.path}`, `--jwt-jwks-file=${path}`];
    await assert.rejects(startNereid({ args }), /the JWKS file holds no JSON Web Key Set/);
    writeFileSync(path, issuer.keySet());
    const lone = await startNereid({ args });
    try {
      assert.equal((await infer(lone, bearer(await issuer.token()))).status, 200);
      await issuer.rotate(false);
      writeFileSync(`${path}.new`, issuer.keySet());
      renameSync(`${path}.new`, path);
      let tries = 0;
      await until(async () => {
        tries += 1;
        return (await infer(lone, bearer(await issuer.token({ jti: `${tries}` })))).status === 200;
      });
    } finally {
      await lone.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
