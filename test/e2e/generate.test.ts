// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startNereid } from '../support/nereid.ts';
import type { Endpoints, ServerProcess } from '../support/server-process.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { testDoor } from '../support/test-door.ts';
import { until } from '../support/until.ts';

const DECOUPLED = 'model_transaction_policy { decoupled: true }\n';
const EVENTS = 'text/event-stream; charset=utf-8';
const NOT_ONE =
  'generate expects model to produce exactly 1 response, use generate stream for model that ' +
  'generates various number of responses';

const parameter = (key: string, value: string) =>
  `parameters { key: "${key}" value { string_value: "${value}" } }\n`;

for (const inferPath of ['native', 'typescript']) {
  describe(`generate, under --infer-path=${inferPath}`, () => {
    const repository = new TempRepository();
    let server: ServerProcess & { endpoints: Endpoints };

    before(async () => {
      await repository.addIdentity('plain');
      await repository.add('three', 'stream', [1], DECOUPLED + parameter('responses', '3'));
      await repository.add(
        'one',
        'stream',
        [1],
        DECOUPLED + parameter('responses', '1') + parameter('empty_final', 'true'),
      );
      await repository.add(
        'counted',
        'stream',
        [1],
        DECOUPLED + parameter('responses', '2') + parameter('empty_final', 'true'),
      );
      await repository.add('none', 'stream', [1], DECOUPLED + parameter('responses', '0'));
      await repository.add('broken', 'poison', [1], parameter('message', 'broken it is'));
      await repository.add('gated', 'gate', [1], parameter('closed', 'true'));
      server = await startNereid({
        args: [
          `--model-repository=${repository.path}`,
          '--enable-test-backends',
          `--infer-path=${inferPath}`,
        ],
      });
    });

    after(async () => {
      await server?.stop();
      repository[Symbol.dispose]();
    });

    const ask = async (
      path: string,
      body: unknown,
      headers: Record<string, string> = {},
    ): Promise<{ status: number; type: string | null; text: string }> => {
      const response = await fetch(`http://${server.endpoints.http}/v2/models/${path}`, {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
        headers,
      });
      return {
        status: response.status,
        type: response.headers.get('content-type'),
        text: await response.text(),
      };
    };
    const answer = (value: unknown, model: string, id?: string) => ({
      ...(id === undefined ? {} : { id }),
      model_name: model,
      model_version: '1',
      OUT: value,
    });

    it('answers a value with a value and a list with a list', async () => {
      const one = await ask('plain/generate', { IN: 5, id: 'q', temperature: 0.5 });
      assert.deepEqual([one.status, one.type], [200, 'application/json']);
      assert.deepEqual(JSON.parse(one.text), answer(5, 'plain', 'q'));
      const list = await ask('plain/versions/1/generate', { parameters: { IN: [5, 6] } });
      assert.deepEqual(JSON.parse(list.text), answer([5, 6], 'plain'));
    });

    it('sends each response as an event', async () => {
      const stream = await ask('three/generate_stream', { IN: 7, id: 'q' });
      assert.deepEqual([stream.status, stream.type], [200, EVENTS]);
      const events = stream.text.split('\n\n');
      assert.equal(events.pop(), '');
      assert.equal(events.length, 3);
      for (const event of events) {
        assert.ok(event.startsWith('data: '));
        assert.deepEqual(JSON.parse(event.slice(6)), answer(7, 'three', 'q'));
      }
      const single = await ask('plain/generate_stream', { IN: 7 });
      assert.equal(single.text, `data: ${JSON.stringify(answer(7, 'plain'))}\n\n`);
      const none = await ask('none/generate_stream', { IN: 7 });
      assert.deepEqual(none, { status: 200, type: EVENTS, text: '' });
    });

    it('takes exactly one response for generate', async () => {
      const one = await ask('one/generate', { IN: 7 });
      assert.deepEqual(JSON.parse(one.text), answer(7, 'one'));
      for (const model of ['three', 'none']) {
        const { status, text } = await ask(`${model}/generate`, { IN: 7 });
        assert.deepEqual([status, JSON.parse(text)], [200, { error: NOT_ONE }]);
      }
    });

    it('carries the status of the first response', async () => {
      const plain = await ask('broken/generate', { IN: 7 });
      const stream = await ask('broken/generate_stream', { IN: 7 });
      assert.deepEqual(JSON.parse(plain.text), { error: 'broken it is' });
      assert.ok(plain.status >= 400);
      assert.deepEqual(
        [stream.status, stream.type, stream.text],
        [plain.status, EVENTS, `data: ${plain.text}\n\n`],
      );
    });

    it('refuses what it cannot read before anything runs', async () => {
      const coded = await ask('plain/generate', { IN: 5 }, { 'content-encoding': 'gzip' });
      assert.equal(coded.status, 400);
      assert.match(coded.text, /Unsupported content-encoding, only 'identity' is supported\./);
      for (const kind of ['generate', 'generate_stream']) {
        const { status, type, text } = await ask(`plain/${kind}`, { IN: 'x' });
        assert.deepEqual([status, type], [400, 'application/json']);
        assert.match(text, /attempt to access JSON non-signed-integer as signed-integer/);
        assert.equal((await ask(`nosuch/${kind}`, {})).status, 404);
        const get = await fetch(`http://${server.endpoints.http}/v2/models/plain/${kind}`);
        assert.equal(get.status, 405);
      }
    });

    it('takes a client that leaves out of the queue', async () => {
      const gate = (control: object) => testDoor(server.endpoints, 'gated', control);
      const leaving = new AbortController();
      const calls = [1, 2, 3].map((value) =>
        fetch(`http://${server.endpoints.http}/v2/models/gated/generate_stream`, {
          method: 'POST',
          body: JSON.stringify({ IN: value }),
          signal: leaving.signal,
        }).catch(() => undefined),
      );
      await until(async () => (await gate({})).waiting > 0);
      leaving.abort();
      await Promise.all(calls);
      await until(async () => {
        const page = await (await fetch(`http://${server.endpoints.metrics}/metrics`)).text();
        return /nv_inference_pending_request_count\{model="gated",version="1"\} 0/.test(page);
      });
      await gate({ action: 'open' });
      const { text } = await ask('gated/generate', { IN: 9 });
      assert.deepEqual(JSON.parse(text), answer(9, 'gated'));
    });

    it('counts each response by its index before it is sent', async () => {
      for (let sent = 1; sent <= 2; sent++) {
        await ask('counted/generate_stream', { IN: 7 });
        const stats = await fetch(`http://${server.endpoints.http}/v2/models/counted/stats`);
        const { model_stats } = (await stats.json()) as {
          model_stats: { response_stats: Record<string, Record<string, { count: number }>> }[];
        };
        const counts = Object.entries(model_stats[0]?.response_stats ?? {}).map(([index, row]) => [
          index,
          ...Object.values(row).map(({ count }) => count),
        ]);
        // compute_infer, compute_output, success, fail, empty_response, cancel
        assert.deepEqual(counts, [
          ['0', sent, sent, sent, 0, 0, 0],
          ['1', sent, sent, sent, 0, 0, 0],
          ['2', 0, 0, 0, 0, sent, 0],
        ]);
      }
    });
  });
}
