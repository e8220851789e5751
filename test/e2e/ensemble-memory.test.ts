// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { askHttp } from '../support/http-client.ts';
import { HttpInferClient, type RowsAnswer } from '../support/infer-clients.ts';
import { startNereid } from '../support/nereid.ts';
import { ServerFacts } from '../support/server-facts.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { testDoor } from '../support/test-door.ts';
import { until } from '../support/until.ts';

const MIB = 2 ** 20;
const LIMIT = 16 * MIB;
/** What the requests inside may hold between their steps: a quarter of the limit. */
const CREDIT = LIMIT / 4;
const FACTOR = 50;
/** A request of 16 KiB, of which a step makes 800. */
const COLUMNS = 4096;
const REQUESTS = 50;

const start = (repository: TempRepository, ...args: string[]) =>
  startNereid({
    executable: 'nereid',
    args: [`--model-repository=${repository.path}`, '--enable-test-backends', ...args],
  });

describe('an ensemble that makes much of little', () => {
  it('lets requests wait before it as they came, within its bytes, at ten times what fits', {
    timeout: 120_000,
  }, async () => {
    using repository = new TempRepository();
    const factor = `parameters { key: "factor" value { string_value: "${FACTOR}" } }`;
    await repository.addIdentity('first');
    await repository.add('wide', 'burst', [1], factor);
    await repository.addGate('slow');
    await repository.addChain('chain', ['first', 'wide', 'slow']);
    await using server = await start(repository, `--memory-limit=${LIMIT}`);
    const facts = new ServerFacts(server);
    const gate = (control: object) => testDoor(server.endpoints, 'slow', control);
    await using client = new HttpInferClient(server.endpoints.http, REQUESTS);
    const infer = async (value: number): Promise<void> => {
      const data = Buffer.alloc(COLUMNS * 4, value);
      const answer = await client.infer({ model: 'chain', shape: [1, COLUMNS], data });
      assert.equal(answer.status, 200, answer.error);
      assert.deepEqual(answer.shape, [1, COLUMNS * FACTOR]);
      assert.ok(answer.data.equals(Buffer.alloc(answer.data.length, value)));
    };
    // How much it makes is learnt from what it has made.
    const taught = infer(1);
    await gate({ action: 'await', waiting: 1 });
    await gate({ action: 'release' });
    await taught;

    const threads = facts.threads();
    const begun = await facts.succeeded('wide');
    const calls = Array.from({ length: REQUESTS }, (_, i) => infer(i));
    // Each holds what the wide step and the slow one have made.
    const inside = Math.floor(CREDIT / (2 * FACTOR * COLUMNS * 4));
    await until(async () => (await facts.pending('chain')) === REQUESTS - inside);
    await until(async () => (await facts.succeeded('wide')) === begun + inside);
    assert.equal(facts.threads(), threads, 'who waits holds no thread');
    const bytes = await facts.poolBytes();
    // Those inside, and all bodies.
    assert.ok(bytes <= CREDIT + REQUESTS * (COLUMNS * 4 + 4096), `${bytes} bytes`);
    let settled = 0;
    const settle = (): void => {
      settled += 1;
    };
    for (const call of calls) void call.then(settle, settle);
    // One at a time: answers that this client has not read yet are held too.
    for (let i = 1; i <= REQUESTS; i++) {
      await gate({ action: 'release' });
      await until(() => settled >= i);
    }
    await Promise.all(calls);
    await until(async () => (await facts.poolBytes()) === 0);
    const { body } = await askHttp(server.endpoints.http, 'GET', '/v2/memory');
    const { peak_bytes: peak } = JSON.parse(body) as { peak_bytes: number };
    assert.ok(peak <= LIMIT, `${peak} bytes`);
  });

  it('answers each request once while a step refuses, lets expire or fails', {
    timeout: 120_000,
  }, async () => {
    using repository = new TempRepository();
    const queue = (policy: string): string =>
      `dynamic_batching { default_queue_policy { ${policy} } }`;
    await repository.addIdentity('first');
    await repository.addGate('full', queue('max_queue_size: 2'));
    await repository.addGate(
      'late',
      queue('default_timeout_microseconds: 3600000000 allow_timeout_override: true'),
    );
    await repository.add('bad', 'poison', [1]);
    const members = ['full', 'late', 'bad'];
    for (const member of members) {
      await repository.addChain(`begins_${member}`, [member, 'first']);
      await repository.addChain(`ends_${member}`, ['first', member]);
    }
    await using server = await start(repository, '--inline-execution=off');
    await using client = new HttpInferClient(server.endpoints.http, 100);
    const infer = (model: string, options = {}): Promise<RowsAnswer> =>
      client.infer({ model, shape: [1, 1], data: Buffer.alloc(4, 9) }, options);
    await testDoor(server.endpoints, 'bad', { action: 'fail', count: 40, message: 'it is bad' });
    const said = { full: /Exceeds maximum queue size/, late: /timeout expired/, bad: /it is bad/ };
    for (const model of ['full', 'late'] as const) {
      // One at the gate, which is closed: nothing behind it runs.
      const running = infer(`begins_${model}`);
      await testDoor(server.endpoints, model, { action: 'await', waiting: 1 });
      const answers: RowsAnswer[] = [];
      const calls = Array.from({ length: 20 }, async (_, i) => {
        const name = `${i % 2 === 0 ? 'begins' : 'ends'}_${model}`;
        answers.push(await infer(name, model === 'late' ? { timeoutMs: 1 } : {}));
      });
      const waiting = model === 'full' ? 2 : 0;
      await until(() => answers.length === 20 - waiting);
      for (const { error } of answers) {
        assert.match(error, said[model]);
        assert.match(error, /in ensemble '\w+_(full|late)'/);
      }
      await testDoor(server.endpoints, model, { action: 'open' });
      await Promise.all(calls);
      assert.equal((await running).status, 200);
      assert.equal(answers.filter(({ status }) => status === 200).length, waiting);
    }
    const failed = await Promise.all(
      Array.from({ length: 40 }, (_, i) => infer(`${i % 2 === 0 ? 'begins' : 'ends'}_bad`)),
    );
    for (const { error } of failed) assert.match(error, said.bad);
    for (const member of members) {
      for (const place of ['begins', 'ends']) {
        assert.equal((await infer(`${place}_${member}`)).status, 200);
      }
    }
  });
});
