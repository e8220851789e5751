// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { askHttp, inferBody } from '../support/http-client.ts';
import { startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';

// What the real server answers, word for word.
const AMBIGUOUS =
  "There are 2 identifiers of model 'both' in global map, model namespace must be provided to resolve ambiguity.";
const UNKNOWN = "Request for unknown model: 'nowhere' is not found";
const DUPLICATE = {
  name: 'both',
  state: 'UNAVAILABLE',
  reason: 'model appears in two or more repositories',
};

/** Starts a server of two repositories: `both` is in both, `only` in the first, `other` in the second. */
async function start(...flags: string[]) {
  const one = new TempRepository();
  const two = new TempRepository();
  for (const repository of [one, two]) await repository.addIdentity('both');
  await one.addIdentity('only');
  await two.addIdentity('other');
  const server = await startNereid({
    args: [
      `--model-repository=${one.path}`,
      `--model-repository=${two.path}`,
      '--exit-on-error=false',
      ...flags,
    ],
  });
  const { http, metrics } = server.endpoints;
  const ask = async (method: string, path: string, body = ''): Promise<[number, unknown]> => {
    const answer = await askHttp(http, method, path, { body });
    return [
      answer.status,
      answer.body.startsWith('[') || answer.body.startsWith('{')
        ? JSON.parse(answer.body)
        : answer.body,
    ];
  };
  return {
    one,
    two,
    ask,
    infer: (model: string) => ask('POST', `/v2/models/${model}/infer`, inferBody()),
    load: (model: string) => ask('POST', `/v2/repository/models/${model}/load`),
    unload: (model: string) => ask('POST', `/v2/repository/models/${model}/unload`),
    index: async () => {
      const [status, rows] = await ask('POST', '/v2/repository/index');
      assert.equal(status, 200);
      assert.ok(Array.isArray(rows));
      return rows.map((row: unknown) => JSON.stringify(row)).sort();
    },
    page: async () => (await askHttp(metrics, 'GET', '/metrics')).body,
    async [Symbol.asyncDispose](): Promise<void> {
      await server.stop();
      one[Symbol.dispose]();
      two[Symbol.dispose]();
    },
  };
}

const row = (name: string): string => JSON.stringify({ name, version: '1', state: 'READY' });

describe('a name in two repositories', () => {
  it('is not served, and said so', async () => {
    await using server = await start('--model-control-mode=explicit', '--load-model=*');
    assert.deepEqual(await server.index(), [JSON.stringify(DUPLICATE), row('only'), row('other')]);
    assert.deepEqual(await server.infer('both'), [
      404,
      { error: "Request for unknown model: 'both' is not found" },
    ]);
    const [status, answer] = await server.load('both');
    assert.equal(status, 500);
    assert.match(
      JSON.stringify(answer),
      /failed to load 'both', failed to poll from model repository/,
    );
    assert.equal((await server.infer('only'))[0], 200);
    // One folder less, and the name has one meaning.
    await server.two.remove('both');
    assert.deepEqual(await server.load('both'), [200, '']);
    assert.equal((await server.infer('both'))[0], 200);
  });
});

describe('a model that cannot be loaded at the start', () => {
  it('ends the start, or holds readiness back, or neither, as the flags say', async () => {
    await assert.rejects(start('--exit-on-error=true'), /Internal - failed to load all models/);
    const ready = async (...flags: string[]): Promise<number> => {
      await using server = await start(...flags);
      return (await server.ask('GET', '/v2/health/ready'))[0];
    };
    assert.equal(await ready('--strict-readiness=true', '--readiness-policy=all'), 400);
    assert.equal(await ready('--strict-readiness=false', '--readiness-policy=all'), 200);
    // Triton passes over what it cannot read.
    assert.equal(await ready('--readiness-policy=known'), 200);
    assert.equal(await ready('--readiness-policy=any'), 200);
    assert.equal(await ready('--readiness-policy=listed:only,other'), 200);
    assert.equal(await ready('--readiness-policy=listed:only,both'), 400);
  });
});

describe('--model-namespacing', () => {
  it('serves both, and refuses a name that stands for two', async () => {
    await using server = await start('--model-namespacing=true');
    assert.deepEqual(await server.index(), [row('both'), row('both'), row('only'), row('other')]);
    for (const path of ['both', 'both/config']) {
      assert.deepEqual(await server.ask('GET', `/v2/models/${path}`), [400, { error: AMBIGUOUS }]);
    }
    assert.deepEqual(await server.infer('both'), [400, { error: AMBIGUOUS }]);
    assert.deepEqual(await server.ask('GET', '/v2/models/both/ready'), [
      400,
      { error: 'Model version not ready' },
    ]);
    assert.deepEqual(await server.ask('GET', '/v2/models/both/stats'), [
      400,
      { error: "requested model 'both' is not available" },
    ]);
    for (const path of ['nowhere', 'nowhere/config']) {
      assert.deepEqual(await server.ask('GET', `/v2/models/${path}`), [400, { error: UNKNOWN }]);
    }
    assert.deepEqual(await server.infer('nowhere'), [400, { error: UNKNOWN }]);
    assert.equal((await server.infer('only'))[0], 200);
    const page = await server.page();
    for (const [model, repository] of [
      ['both', server.one],
      ['both', server.two],
      ['only', server.one],
    ] as const) {
      const labels = `{namespace="${repository.path}",model="${model}",version="1"}`;
      assert.ok(page.includes(`nv_inference_request_success${labels}`), labels);
    }
    assert.equal((await server.ask('GET', '/v2/models/stats'))[0], 200);
  });

  it('loads and unloads every model of a name', async () => {
    await using server = await start(
      '--model-namespacing=true',
      '--model-control-mode=explicit',
      '--load-model=both',
    );
    assert.deepEqual(await server.index(), [
      row('both'),
      row('both'),
      '{"name":"only"}',
      '{"name":"other"}',
    ]);
    assert.deepEqual(await server.unload('both'), [200, '']);
    assert.notEqual((await server.infer('both'))[0], 200);
    assert.deepEqual(await server.load('only'), [200, '']);
    assert.equal((await server.infer('only'))[0], 200);
    assert.deepEqual(await server.load('both'), [200, '']);
    assert.deepEqual(await server.infer('both'), [400, { error: AMBIGUOUS }]);
  });
});
