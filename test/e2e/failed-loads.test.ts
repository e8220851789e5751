// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { askHttp } from '../support/http-client.ts';
import { NativeHeap } from '../support/native-heap.ts';
import { projectRoot, startNereid } from '../support/nereid.ts';
import { ServerFacts } from '../support/server-facts.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { until } from '../support/until.ts';

const LOADS = 500;
/** Threads, pools and caches that are made with the first loads stay. */
const WARM_UP_ROUNDS = 5;

const GOOD_MODEL = join(projectRoot, 'model_repository/simple/1/model.onnx');

const ONNX = 'backend: "onnxruntime" max_batch_size: 8';

/** One model of each way to fail, and what its load answers. */
async function addBroken(repository: TempRepository): Promise<Map<string, RegExp>> {
  const answers = new Map<string, RegExp>();
  await repository.write('syntax/config.pbtxt', 'backend: "identity" {');
  await repository.write('syntax/1/x', '');
  answers.set('syntax', /failed to poll from model repository/);
  await repository.addIdentity('wrong_field', [1], 'nonsense: 1');
  answers.set('wrong_field', /nonsense/);
  await repository.addIdentity('negative', [1], 'instance_group [{ count: -1 }]');
  answers.set('negative', /count/);
  await repository.write('no_file/config.pbtxt', ONNX);
  await repository.write('no_file/1/other', '');
  answers.set('no_file', /expected a model file 'model.onnx'/);
  await repository.write('no_model/config.pbtxt', ONNX);
  await repository.write('no_model/1/model.onnx', 'this is no model');
  answers.set('no_model', /version 1 is at UNAVAILABLE state/);
  await repository.write('cut/config.pbtxt', ONNX);
  const bytes = readFileSync(GOOD_MODEL);
  await repository.write(
    'cut/1/model.onnx',
    bytes.subarray(0, bytes.length / 2).toString('latin1'),
  );
  answers.set('cut', /version 1 is at UNAVAILABLE state/);
  await repository.add('no_backend', 'no_such_backend');
  answers.set('no_backend', /no_such_backend/);
  await repository.add(
    'refused',
    'onnxruntime',
    [1],
    'parameters { key: "no_such_parameter_of_it" value { string_value: "x" } }',
  );
  place(repository, 'refused/1');
  answers.set('refused', /version 1 is at UNAVAILABLE state/);
  await repository.addIdentity('no_version', []);
  answers.set('no_version', /at least one version must be available/);
  // The first version is built before the second fails.
  await repository.write('half/config.pbtxt', `${ONNX} version_policy { all {} }`);
  place(repository, 'half/1');
  await repository.write('half/2/model.onnx', 'this is no model');
  answers.set('half', /version 2 is at UNAVAILABLE state/);
  return answers;
}

function place(repository: TempRepository, folder: string): void {
  mkdirSync(join(repository.path, folder), { recursive: true });
  copyFileSync(GOOD_MODEL, join(repository.path, folder, 'model.onnx'));
}

it(`leaves nothing behind after ${LOADS} loads that fail`, { timeout: 300_000 }, async (t) => {
  using repository = new TempRepository();
  const temp = mkdtempSync(join(tmpdir(), 'nereid-test-'));
  const answers = await addBroken(repository);
  await repository.addIdentity('steady');
  await using server = await startNereid({
    executable: 'nereid',
    args: [
      `--model-repository=${repository.path}`,
      '--model-control-mode=explicit',
      '--load-model=steady',
    ],
    env: { ...NativeHeap.env(), TMPDIR: temp },
  });
  const { http } = server.endpoints;
  const facts = new ServerFacts(server);
  const failing = async (model: string, expected: RegExp, body = '{}'): Promise<void> => {
    const answer = await askHttp(http, 'POST', `/v2/repository/models/${model}/load`, { body });
    assert.ok(answer.status === 400 || answer.status === 500, `${model}: ${answer.status}`);
    assert.match(answer.body, expected, model);
  };
  const override = JSON.stringify({
    parameters: { config: '{"backend": "onnxruntime"}', 'file:1/model.onnx': 'AAAA' },
  });
  let loads = 0;
  const round = async (): Promise<void> => {
    await Promise.all([...answers].map(([model, expected]) => failing(model, expected)));
    await failing('nowhere', /failed to poll from model repository/);
    await failing('brought', /load failed for model 'brought'/, override);
    loads += answers.size + 2;
  };
  /** Builds that native holds. */
  const handles = async (): Promise<string[]> =>
    [...(await facts.page()).matchAll(/^nv_inference_request_success\{model="(\w+)"/gm)].map(
      ([, model = '']) => model,
    );
  const held = async () => ({
    threads: facts.threads(),
    poolBytes: await facts.poolBytes(),
    staged: readdirSync(temp).flatMap((name) => readdirSync(join(temp, name))),
  });
  const settled = () => until(async () => (await handles()).join() === 'steady');

  for (let i = 0; i < WARM_UP_ROUNDS; i++) await round();
  await settled();
  const before = await held();
  const filesBefore = facts.files();
  const heap = new NativeHeap(server);
  await heap.begin();
  loads = 0;
  while (loads < LOADS) await round();
  await settled();
  assert.deepEqual(before.staged, []);
  assert.deepEqual(await held(), before);
  await until(() => facts.files() <= filesBefore);
  t.diagnostic(`native heap: ${await heap.growth()} bytes more`);

  // What failed can be repaired, and what served never stopped.
  for (const model of ['cut', 'half/2', 'no_model']) {
    place(repository, model.includes('/') ? model : `${model}/1`);
  }
  for (const model of ['cut', 'half', 'no_model']) {
    const answer = await askHttp(http, 'POST', `/v2/repository/models/${model}/load`);
    assert.equal(answer.status, 200, answer.body);
  }
  assert.equal((await askHttp(http, 'GET', '/v2/models/steady/ready')).status, 200);
  await server.stop();
  rmSync(temp, { recursive: true });
});
