// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { it } from 'node:test';
import { askHttp, inferBody } from '../support/http-client.ts';
import { startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { until } from '../support/until.ts';

const CLIENTS = 16;

interface Answer {
  readonly status: number;
  readonly text: string;
}

function post(agent: Agent, at: string, path: string, body: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(`http://${at}${path}`, { agent, method: 'POST' }, (response) => {
      let text = '';
      response.on('data', (piece) => {
        text += piece;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

it('answers every request that reaches it while it stops', async () => {
  using repository = new TempRepository();
  await repository.addIdentity('steady');
  await using server = await startNereid({ args: [`--model-repository=${repository.path}`] });
  /** One request on the agent's kept connection, or on a new one. */
  const infer = (agent: Agent, value: number): Promise<Answer> => {
    const body = JSON.stringify({
      inputs: [{ name: 'IN', datatype: 'INT32', shape: [1, 1], data: [value] }],
    });
    return post(agent, server.endpoints.http, '/v2/models/steady/infer', body);
  };

  let answered = 0;
  const endings = Array.from({ length: CLIENTS }, async (_, client) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; ; i++) {
      const value = client * 1_000_000 + i;
      try {
        const { status, text } = await infer(agent, value);
        assert.equal(status, 200, text);
        assert.match(text, new RegExp(`"data":\\[${value}\\]`));
        answered++;
        if (answered === 50 * CLIENTS) process.kill(server.pid ?? 0, 'SIGTERM');
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
        return (error as NodeJS.ErrnoException).code;
      }
    }
  });
  // Each client ends when a new connection is refused; none had a request broken off.
  assert.deepEqual(new Set(await Promise.all(endings)), new Set(['ECONNREFUSED']));
  assert.deepEqual(await server.exited, { code: 0, signal: null });
});

const IDLE = 500;

const SEQUENCE = `backend: "sequence" max_batch_size: 4
input { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }
output { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }
sequence_batching { max_sequence_idle_microseconds: 600000000
  control_input { name: "START" control { kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] } } }`;

it('serves on, not ready, until balancers that are late know, and waits for no idle connection', {
  timeout: 120_000,
}, async () => {
  using repository = new TempRepository();
  await repository.addIdentity('steady');
  await repository.addIdentity('asleep');
  await repository.add(
    'gated',
    'gate',
    [1],
    'parameters { key: "closed" value { string_value: "true" } }',
  );
  await repository.write('sums/config.pbtxt', SEQUENCE);
  await repository.write('sums/1/.keep', '');
  await using server = await startNereid({
    executable: 'nereid',
    args: [
      `--model-repository=${repository.path}`,
      '--enable-test-backends',
      '--model-control-mode=on-demand',
      '--load-model=gated',
      '--drain-delay-secs=5',
      // Far beyond the test: who waits for idle connections never ends.
      '--exit-timeout-secs=3600',
    ],
  });
  const { http } = server.endpoints;
  const [host = '', port = ''] = http.split(':');
  /** Each on a connection of its own, as a balancer's may be. */
  const infer = (model: string, parameters?: object) =>
    askHttp(http, 'POST', `/v2/models/${model}/infer`, { body: inferBody(parameters) });
  const sum = async (parameters: object): Promise<number> => {
    const { status, body } = await infer('sums', { sequence_id: 7, ...parameters });
    assert.equal(status, 200, body);
    return (JSON.parse(body) as { outputs: { data: number[] }[] }).outputs[0]?.data[0] ?? 0;
  };

  const idle: Socket[] = [];
  for (let i = 0; i < IDLE; i++) {
    const socket = connect(Number(port), host);
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    idle.push(socket);
  }
  assert.equal((await infer('steady')).status, 200);
  assert.equal(await sum({ sequence_start: true }), 1);
  const events = post(
    new Agent(),
    http,
    '/v2/models/gated/generate_stream',
    JSON.stringify({ IN: 5 }),
  );
  // A connection that stays: there will be no new one.
  const door = new Agent({ keepAlive: true, maxSockets: 1 });
  const gate = async (control: object): Promise<void> => {
    const { status, text } = await post(door, http, '/v2/test/gated', JSON.stringify(control));
    assert.equal(status, 200, text);
  };
  await gate({ action: 'await', waiting: 1 });

  server.signal('SIGTERM');
  const ready = () => askHttp(http, 'GET', '/v2/health/ready');
  await until(async () => (await ready()).status !== 200);
  assert.match((await ready()).body, /Server exiting/);
  assert.equal((await askHttp(http, 'GET', '/v2/health/live')).status, 200);
  // Whoever does not know yet is served: on new connections, by a model that must be loaded first, in sequences.
  for (let i = 0; i < 50; i++) assert.equal((await infer('steady')).status, 200);
  assert.equal((await infer('asleep')).status, 200);
  assert.equal(await sum({}), 2);
  assert.equal(await sum({ sequence_end: true }), 3);

  // Then no connection is accepted, and what is under way ends first.
  await until(() => server.log.includes('Waiting for in-flight requests'));
  await until(() =>
    ready().then(
      () => false,
      () => true,
    ),
  );
  assert.equal(server.hasExited, false);
  await gate({ action: 'open' });
  assert.match((await events).text, /"OUT":5/);
  assert.deepEqual(await server.exited, { code: 0, signal: null });
  for (const socket of idle) socket.destroy();
});
