// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { askHttp, inferBody } from '../support/http-client.ts';
import { startNereid } from '../support/nereid.ts';
import { ServerFacts } from '../support/server-facts.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { testDoor } from '../support/test-door.ts';
import { until } from '../support/until.ts';

const needs = (name: string, count: number): string =>
  `instance_group { kind: KIND_CPU count: 1 rate_limiter { resources { name: "${name}" count: ${count} } } }\n`;

describe('the rate limiter', () => {
  const repository = new TempRepository();

  before(async () => {
    await repository.addGate('first', needs('R', 2));
    await repository.addGate('second', needs('r', 1));
    await repository.addGate('greedy', needs('R', 3));
    await repository.addGate('strange', needs('s', 1));
  });
  after(() => repository[Symbol.dispose]());

  const start = (...args: string[]) =>
    startNereid({
      args: [
        `--model-repository=${repository.path}`,
        '--enable-test-backends',
        '--model-control-mode=explicit',
        ...args,
      ],
    });
  type Server = Awaited<ReturnType<typeof start>>;
  const infer = async ({ endpoints }: Server, model: string): Promise<number> =>
    (await askHttp(endpoints.http, 'POST', `/v2/models/${model}/infer`, { body: inferBody() }))
      .status;
  const load = async ({ endpoints }: Server, model: string): Promise<string> => {
    const path = `/v2/repository/models/${model}/load`;
    const { status, body } = await askHttp(endpoints.http, 'POST', path);
    return status === 200 ? '' : (JSON.parse(body) as { error: string }).error;
  };

  it('lets an instance wait for the resources of another model', async () => {
    const server = await start(
      '--load-model=first',
      '--load-model=second',
      '--rate-limit=execution_count',
      '--rate-limit-resource=R:2',
    );
    try {
      const gate = (model: string, control = {}) => testDoor(server.endpoints, model, control);
      const running = infer(server, 'first');
      await gate('first', { action: 'await', waiting: 1 });
      const waiting = infer(server, 'second');
      await gate('second', { action: 'open' });
      const facts = new ServerFacts(server);
      await until(async () => (await facts.pending('second')) === 1);
      assert.equal((await gate('second')).executed, 0);
      await gate('first', { action: 'open' });
      assert.deepEqual(await Promise.all([running, waiting]), [200, 200]);
    } finally {
      await server.stop();
    }
  });

  it('refuses a model that could never run, in the words of Triton', async () => {
    const server = await start('--rate-limit=execution_count', '--rate-limit-resource=R:2');
    try {
      assert.match(
        await load(server, 'greedy'),
        /Resource count for "r" is limited to 2 which will prevent scheduling of one or more model instances, the minimum required count is 3/,
      );
      assert.match(await load(server, 'strange'), /Resource count for "s" is limited to 0 which/);
      assert.equal(await load(server, 'second'), '');
    } finally {
      await server.stop();
    }
  });

  it('is off by default', async () => {
    const server = await start('--load-model=greedy', '--rate-limit-resource=R:1');
    try {
      const answer = infer(server, 'greedy');
      await testDoor(server.endpoints, 'greedy', { action: 'open' });
      assert.equal(await answer, 200);
    } finally {
      await server.stop();
    }
  });
});
