// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { askHttp, type HttpAnswer, inferBody } from '../support/http-client.ts';
import { startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { testDoor } from '../support/test-door.ts';
import { until } from '../support/until.ts';

const parameter = (key: string, value: string): string =>
  `parameters { key: "${key}" value { string_value: "${value}" } }\n`;

describe('limits of load', () => {
  const repository = new TempRepository();
  let server: Awaited<ReturnType<typeof startNereid>>;

  before(async () => {
    await repository.addGate('held', parameter('max_queue_bytes', '40'));
    await repository.add(
      'quick',
      'identity',
      [1],
      `dynamic_batching { }\n${parameter('latency_target_ms', '50')}`,
    );
    await repository.addChain('graph', ['quick']);
    await repository.add('slow', 'sleep', [1], parameter('sleep_us', '20000'));
    await repository.add(
      'patient',
      'sleep',
      [1],
      parameter('sleep_us', '20000') + parameter('admission', 'off'),
    );
    server = await startNereid({
      executable: 'nereid',
      args: [`--model-repository=${repository.path}`, '--enable-test-backends'],
    });
  });
  after(async () => {
    await server.stop();
    repository[Symbol.dispose]();
  });

  const ask = (method: string, path: string, body: string, headers = {}): Promise<HttpAnswer> =>
    askHttp(server.endpoints.http, method, path, { body, headers });
  const infer = (model: string, headers = {}): Promise<HttpAnswer> =>
    ask('POST', `/v2/models/${model}/infer`, inferBody(), headers);

  it('takes the bytes that may wait and refuses the rest while the gate is closed', async () => {
    const gate = (control: object) => testDoor(server.endpoints, 'held', control);
    const running = infer('held');
    await gate({ action: 'await', waiting: 1 });
    const refused: HttpAnswer[] = [];
    const flood = Array.from({ length: 100 }, async () => {
      const answer = await infer('held');
      if (answer.status !== 200) refused.push(answer);
      return answer.status;
    });
    await until(() => Promise.resolve(refused.length === 90));
    assert.equal(refused[0]?.status, 429);
    assert.equal(refused[0]?.headers['retry-after'], '1');
    assert.match(refused[0]?.body ?? '', /inputs of 40 bytes wait for model 'held'/);
    await gate({ action: 'open' });
    assert.equal((await Promise.all(flood)).filter((status) => status === 200).length, 10);
    assert.equal((await running).status, 200);
  });

  it('tells how batches are chosen', async () => {
    for (let i = 0; i < 20; i++) assert.equal((await infer('quick')).status, 200);
    const explain = async (model: string): Promise<Record<string, unknown>> =>
      JSON.parse(
        (await askHttp(server.endpoints.http, 'GET', `/v2/models/${model}/batching`)).body,
      );
    const told = await explain('quick');
    assert.equal(told.model_version, '1');
    assert.equal(told.latency_target_ms, 50);
    assert.ok((told.arrivals_per_second as number) > 0);
    const [point] = told.cost_curve as { batch_size: number; ms: number; executions: number }[];
    assert.equal(point?.batch_size, 1);
    assert.equal(point?.executions, 20);
    const chosen = told.chosen as { wait_ms: number; max_batch_size: number; why: string };
    assert.equal(chosen.wait_ms, 0);
    assert.equal(chosen.max_batch_size, 8);
    assert.match(chosen.why, /single rows are served as fast as they come/);
    assert.match(JSON.stringify(await explain('slow')), /'latency_target_ms' is not set/);
    assert.match(String((await explain('graph')).error), /'graph' forms no batches of its own/);
    assert.match(String((await explain('missing')).error), /'missing' is not found/);
  });

  /** One with little time behind fifty that take twenty milliseconds each. */
  const askLate = async (model: string): Promise<HttpAnswer> => {
    for (let i = 0; i < 8; i++) assert.equal((await infer(model)).status, 200);
    const before = Array.from({ length: 50 }, () => infer(model));
    await Promise.race(before);
    const late = await infer(model, { 'x-request-timeout-ms': '200' });
    await Promise.all(before);
    return late;
  };

  it('refuses at once what would expire in the queue', async () => {
    const late = await askLate('slow');
    assert.equal(late.status, 429);
    assert.match(late.body, /Request would be too late: model 'slow' can serve it in /);
  });

  it('lets it expire where a model says so', async () => {
    assert.equal((await askLate('patient')).status, 504);
  });
});
