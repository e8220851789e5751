// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startNereid } from '../support/nereid.ts';
import { type Running, ServerFacts } from '../support/server-facts.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { testDoor } from '../support/test-door.ts';
import { until } from '../support/until.ts';

const HOUR_US = 3_600_000_000;
const AGEING_MS = 50;

for (const inferPath of ['native', 'typescript']) {
  describe(`request priorities, under --infer-path=${inferPath}`, () => {
    const repository = new TempRepository();
    let server: Running;
    let facts: ServerFacts;

    before(async () => {
      const levels = (more: string) =>
        `dynamic_batching { priority_levels: 3 default_priority_level: 2 ${more} }\n`;
      await repository.addGate('ordered', levels(''));
      const classes =
        'parameters { key: "priority_classes" value { string_value: "true" } }\n' +
        'parameters { key: "priority_class_ageing_ms" value { string_value: "3600000" } }\n';
      await repository.addGate('classes', classes);
      await repository.addGate('ageing', classes.replace('3600000', String(AGEING_MS)));
      const limited =
        'default_queue_policy { max_queue_size: 1 } priority_queue_policy { key: 1 value { max_queue_size: 2 } }';
      await repository.addGate('limited', levels(limited));
      const delaying = `default_queue_policy { timeout_action: DELAY default_timeout_microseconds: ${HOUR_US}
        allow_timeout_override: true }`;
      await repository.addGate('delaying', levels(delaying));
      const timed = 'priority_queue_policy { key: 3 value { default_timeout_microseconds: 1000 } }';
      await repository.addGate('timed', levels(timed));
      server = await startNereid({
        args: [
          `--model-repository=${repository.path}`,
          '--enable-test-backends',
          `--infer-path=${inferPath}`,
        ],
      });
      facts = new ServerFacts(server);
    });

    after(async () => {
      await server?.stop();
      repository[Symbol.dispose]();
    });

    const gate = (model: string, control: object) => testDoor(server.endpoints, model, control);

    const pending = (model: string) => facts.pending(model);
    const rejected = (model: string) => facts.failed(model, 'REJECTED');

    /** A full batch, so that nothing joins it. */
    const infer = async (model: string, parameters: object) => {
      const data = new Array<number>(8).fill(0);
      const inputs = [{ name: 'IN', datatype: 'INT32', shape: [8, 1], data }];
      const response = await fetch(`http://${server.endpoints.http}/v2/models/${model}/infer`, {
        method: 'POST',
        body: JSON.stringify({ parameters, inputs }),
      });
      return { status: response.status, body: (await response.json()) as { error?: string } };
    };

    /** Sends one request after another into the queue of a model whose instance is busy; tells the order of the answers. */
    const orderOf = async (model: string, requests: readonly object[]) => {
      const answered: number[] = [];
      const send = (parameters: object, index: number) =>
        infer(model, parameters).then(({ status }) => {
          assert.equal(status, 200);
          answered.push(index);
        });
      const first = send({}, -1);
      await until(async () => (await gate(model, {})).waiting === 1);
      const calls = [first];
      for (const [index, parameters] of requests.entries()) {
        calls.push(send(parameters, index));
        await until(async () => (await pending(model)) === index + 1);
      }
      for (let count = 1; count <= calls.length; count++) {
        await gate(model, { action: 'release' });
        await until(async () => answered.length === count);
      }
      await Promise.all(calls);
      return answered.slice(1);
    };

    it('serves level 1 first, and takes an unknown level for the default', async () => {
      const priorities = [3, 0, 1, 9, 2, 1].map((priority) => ({ priority }));
      assert.deepEqual(await orderOf('ordered', priorities), [2, 5, 1, 3, 4, 0]);
    });

    it('limits each level, and counts what it refuses', async () => {
      const running = infer('limited', {});
      await until(async () => (await gate('limited', {})).waiting === 1);
      const waiting = [1, 1, 2, 3].map((priority) => infer('limited', { priority }));
      await until(async () => (await pending('limited')) === 4);
      for (const priority of [1, 2, 3]) {
        const { body } = await infer('limited', { priority });
        assert.equal(body.error, '[request id: <id_unknown>] Exceeds maximum queue size');
      }
      assert.equal(await rejected('limited'), 3);
      assert.equal(await pending('limited'), 4);
      await gate('limited', { action: 'open' });
      for (const { status } of await Promise.all([running, ...waiting])) assert.equal(status, 200);
      assert.equal(await pending('limited'), 0);
    });

    it('serves what was delayed after the others of its level', async () => {
      const requests = [{ priority: 3 }, { timeout: 1 }, {}, { timeout: 1 }];
      assert.deepEqual(await orderOf('delaying', requests), [2, 1, 3, 0]);
      assert.equal(await rejected('delaying'), 0);
    });

    it('serves a class before those behind it', async () => {
      const names = ['background', 'standard', 'interactive', 'background', 'interactive'];
      const requests = [...names.map((name) => ({ priority_class: name })), {}];
      assert.deepEqual(await orderOf('classes', requests), [2, 4, 1, 5, 0, 3]);
      const { status, body } = await infer('classes', { priority_class: 'urgent' });
      assert.equal(status, 400);
      assert.match(body.error ?? '', /'priority_class': expected 'interactive', .* got 'urgent'/);
    });

    it('serves a background request before interactive ones that came much later', async () => {
      const answered: string[] = [];
      const send = (name: string) =>
        infer('ageing', { priority_class: name }).then(({ status }) => {
          assert.equal(status, 200);
          answered.push(name);
        });
      const calls: Promise<unknown>[] = [infer('ageing', {})];
      await until(async () => (await gate('ageing', {})).waiting === 1);
      calls.push(send('background'));
      await until(async () => (await pending('ageing')) === 1);
      const moved = performance.now() + 2 * AGEING_MS;
      await until(() => performance.now() > moved);
      for (let i = 0; i < 10; i++) calls.push(send('interactive'));
      await until(async () => (await pending('ageing')) === 11);
      await gate('ageing', { action: 'release', count: 2 });
      await until(() => answered.length > 0);
      assert.deepEqual(answered, ['background']);
      await gate('ageing', { action: 'open' });
      await Promise.all(calls);
    });

    it('refuses what is out of time while every instance is busy', async () => {
      const running = infer('timed', {});
      await until(async () => (await gate('timed', {})).waiting === 1);
      const { status, body } = await infer('timed', { priority: 3 });
      assert.equal(status, 503);
      assert.equal(body.error, '[request id: <id_unknown>] Request timeout expired');
      assert.equal(await rejected('timed'), 1);
      assert.equal(await pending('timed'), 0);
      await gate('timed', { action: 'open' });
      assert.equal((await running).status, 200);
    });
  });
}
