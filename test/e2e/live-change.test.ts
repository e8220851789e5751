// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { it } from 'node:test';
import { promisify } from 'node:util';
import { askHttp, inferBody } from '../support/http-client.ts';
import { projectRoot, startNereid } from '../support/nereid.ts';
import { ServerFacts } from '../support/server-facts.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { testDoor } from '../support/test-door.ts';
import { until } from '../support/until.ts';

const MINUTE = 60_000;
const python = process.env['NEREID_TEST_PYTHON'] ?? 'python3';

const groups = (count: number): string => `instance_group [{ kind: KIND_CPU count: ${count} }]\n`;
const batching = (limit: number): string =>
  `dynamic_batching { default_queue_policy { max_queue_size: ${limit} } }\n`;

interface Statistics {
  readonly inference_count: number;
  readonly inference_stats: { readonly success: { readonly count: number } };
}

async function statistics(http: string, model: string): Promise<Statistics> {
  const answer = await askHttp(http, 'GET', `/v2/models/${model}/stats`);
  return JSON.parse(answer.body).model_stats[0] as Statistics;
}

async function instances(http: string, model: string): Promise<number> {
  const { body } = await askHttp(http, 'GET', '/v2/health/details');
  const details = JSON.parse(body) as { instances: { model: string; state: string }[] };
  return details.instances.filter((one) => one.model === model && one.state === 'serving').length;
}

/** Asks until it is told to stop. Every answer must be right. */
class Load {
  readonly #callers: Promise<void>[];
  #ends = false;
  answers = 0;

  constructor(http: string, model: string, callers: number) {
    this.#callers = Array.from({ length: callers }, async () => {
      while (!this.#ends) {
        const path = `/v2/models/${model}/infer`;
        const answer = await askHttp(http, 'POST', path, { body: inferBody() });
        assert.equal(answer.status, 200, answer.body);
        this.answers += 1;
      }
    });
  }

  /** Lets some more requests be answered. */
  async goOn(): Promise<void> {
    const wanted = this.answers + 20;
    await until(async () => this.answers >= wanted);
  }

  async end(): Promise<void> {
    this.#ends = true;
    await Promise.all(this.#callers);
  }
}

it('changes instances and limits under the load of real clients', {
  timeout: 2 * MINUTE,
}, async () => {
  using repository = new TempRepository();
  await repository.addIdentity('m', [1], groups(1) + batching(100));
  await using server = await startNereid({
    args: [
      `--model-repository=${repository.path}`,
      '--model-control-mode=explicit',
      '--load-model=m',
    ],
  });
  const { http, grpc } = server.endpoints;
  const script = join(projectRoot, 'test/e2e/live_change.py');
  const { stdout } = await promisify(execFile)(python, [script, http, grpc, 'm']);
  // The build that began has counted every request.
  const { inference_stats } = await statistics(http, 'm');
  assert.equal(inference_stats.success.count, Number(stdout));
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
  assert.equal(server.log.match(/successfully updated 'm' in place/g)?.length, 4);
  assert.equal(server.log.match(/successfully loaded 'm'/g)?.length, 1);
});

const TENSORS = `max_batch_size: 2 input { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }
output { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }\n`;
const control = (name: string, kind: string, values: string): string =>
  `control_input { name: "${name}" control { kind: CONTROL_SEQUENCE_${kind} ${values} } }\n`;
const CONTROLS =
  control('START', 'START', 'int32_false_true: [ 0, 1 ]') +
  control('READY', 'READY', 'int32_false_true: [ 0, 1 ]') +
  control('CORRID', 'CORRID', 'data_type: TYPE_UINT64');
const STATE = `state { input_name: "STATE_IN" output_name: "STATE_OUT" data_type: TYPE_INT32 dims: [ 1 ]
  initial_state { name: "five" data_type: TYPE_INT32 dims: [ 1 ] data_file: "five" } }\n`;
const SEQUENCES: readonly (readonly [string, string, number])[] = [
  ['direct', `direct { } ${STATE}`, 5],
  ['oldest', 'oldest { max_candidate_sequences: 2 }', 0],
];

for (const [strategy, fields, initial] of SEQUENCES) {
  it(`loses no sequence of real clients where instances come and go: ${strategy}`, {
    timeout: 2 * MINUTE,
  }, async () => {
    using repository = new TempRepository();
    await repository.write(
      'm/config.pbtxt',
      `backend: "sequence" ${TENSORS} ${groups(1)}
sequence_batching { max_sequence_idle_microseconds: 60000000 ${fields} ${CONTROLS} }`,
    );
    await repository.write('m/1/.keep', '');
    await repository.write('m/initial_state/five', '\u0005\0\0\0');
    await using server = await startNereid({
      args: [
        `--model-repository=${repository.path}`,
        '--model-control-mode=explicit',
        '--load-model=m',
        '--enable-test-backends',
      ],
    });
    const { http, grpc } = server.endpoints;
    const script = join(projectRoot, 'test/e2e/live_sequences.py');
    const { stdout } = await promisify(execFile)(python, [script, http, grpc, 'm', `${initial}`]);
    const { inference_stats } = await statistics(http, 'm');
    assert.equal(inference_stats.success.count, Number(stdout));
    assert.deepEqual(await server.stop(), { code: 0, signal: null });
    assert.equal(server.log.match(/successfully updated 'm' in place/g)?.length, 5);
    assert.equal(server.log.match(/successfully loaded 'm'/g)?.length, 1);
  });
}

it('follows a configuration that changes in its repository, under load', {
  timeout: 2 * MINUTE,
}, async () => {
  using repository = new TempRepository();
  await repository.addIdentity('m', [1], groups(1) + batching(100));
  await using server = await startNereid({
    executable: 'nereid',
    args: [
      `--model-repository=${repository.path}`,
      '--model-control-mode=poll',
      '--repository-poll-secs=1',
    ],
  });
  const { http } = server.endpoints;
  const load = new Load(http, 'm', 4);
  for (const count of [4, 1]) {
    await load.goOn();
    await repository.addIdentity('m', [1], groups(count) + batching(100 + count));
    await until(async () => (await instances(http, 'm')) === count);
  }
  await load.goOn();
  await load.end();
  assert.equal((await statistics(http, 'm')).inference_stats.success.count, load.answers);
  const { body } = await askHttp(http, 'GET', '/v2/models/m/config');
  assert.equal(JSON.parse(body).dynamic_batching.default_queue_policy.max_queue_size, 101);
  assert.equal(server.log.match(/successfully loaded 'm'/g)?.length, 1);
});

it('holds new limits against requests that come, and lets those that wait go on', {
  timeout: MINUTE,
}, async () => {
  using repository = new TempRepository();
  const write = (count: number, limit: number): Promise<void> =>
    repository.addGate('held', groups(count) + batching(limit));
  await write(1, 100);
  await using server = await startNereid({
    executable: 'nereid',
    args: [
      `--model-repository=${repository.path}`,
      '--model-control-mode=explicit',
      '--load-model=held',
      '--enable-test-backends',
    ],
  });
  const { http } = server.endpoints;
  const facts = new ServerFacts(server);
  const post = (path: string, body = '{}') => askHttp(http, 'POST', path, { body });
  const infer = () => post('/v2/models/held/infer', inferBody());
  const gate = (control: object) => testDoor(server.endpoints, 'held', control);
  const load = async () => (await post('/v2/repository/models/held/load')).status;
  const queued = () => facts.pending('held');

  const running = infer();
  await gate({ action: 'await', waiting: 1 });
  const waiting = Array.from({ length: 20 }, infer);
  await until(async () => (await queued()) === 20);
  await write(1, 5);
  assert.equal(await load(), 200);
  assert.equal((await infer()).status, 429);
  assert.equal(await queued(), 20);

  // What cannot be is said, and leaves all as it is.
  await write(100_000, 50);
  assert.equal(await load(), 400);
  assert.equal((await infer()).status, 429);
  assert.equal(await instances(http, 'held'), 1);

  // The instance that is added takes of what waits.
  await write(2, 50);
  assert.equal(await load(), 200);
  await gate({ action: 'await', waiting: 2 });
  const later = infer();
  await gate({ action: 'open' });
  const answers = await Promise.all([running, ...waiting, later]);
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
});
