// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { askHttp, inferBody } from '../support/http-client.ts';
import { startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { until } from '../support/until.ts';

const MINUTE = 60_000;

it('follows what changes in its repository, under load and without an error', {
  timeout: 2 * MINUTE,
}, async () => {
  using repository = new TempRepository();
  using staging = new TempRepository();
  await repository.addIdentity('steady');
  await repository.addIdentity('leaving');
  await using server = await startNereid({
    args: [
      `--model-repository=${repository.path}`,
      '--model-control-mode=poll',
      '--repository-poll-secs=1',
    ],
  });
  const { http } = server.endpoints;
  const status = async (model: string): Promise<number> =>
    (await askHttp(http, 'GET', `/v2/models/${model}/ready`)).status;

  let ends = false;
  let answers = 0;
  const load = (async () => {
    while (!ends) {
      const path = '/v2/models/steady/infer';
      const answer = await askHttp(http, 'POST', path, { body: inferBody() });
      assert.equal(answer.status, 200, answer.body);
      answers += 1;
    }
  })();

  for (const verb of ['load', 'unload']) {
    const refused = await askHttp(http, 'POST', `/v2/repository/models/steady/${verb}`);
    assert.equal(refused.status, 503);
    assert.deepEqual(JSON.parse(refused.body), {
      error: 'explicit model load / unload is not allowed if polling is enabled',
    });
  }

  await repository.addIdentity('arriving');
  await repository.remove('leaving');
  await until(async () => (await status('arriving')) === 200 && (await status('leaving')) === 400);

  // A configuration that cannot be read is told, and the version goes on.
  await repository.write('steady/config.pbtxt', 'nonsense');
  await until(() => server.log.includes("failed to load 'steady'"));
  assert.equal(await status('steady'), 200);
  await repository.addIdentity('steady', [1, 2]);
  await until(
    async () => (await askHttp(http, 'GET', '/v2/models/steady/versions/2/ready')).status === 200,
  );

  // A folder moved in appears as a whole.
  await staging.addIdentity('moved');
  await rename(join(staging.path, 'moved'), join(repository.path, 'moved'));
  await until(async () => (await status('moved')) === 200);

  ends = true;
  await load;
  assert.ok(answers > 0);
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
  const loads = server.log.match(/successfully loaded '\w+'/g) ?? [];
  assert.deepEqual(loads.sort(), [
    "successfully loaded 'arriving'",
    "successfully loaded 'leaving'",
    "successfully loaded 'moved'",
    "successfully loaded 'steady'",
    "successfully loaded 'steady'",
  ]);
});

it('takes the configuration of --model-config-name, and builds again what fails', async () => {
  using repository = new TempRepository();
  await repository.addIdentity('named');
  await repository.addIdentity('plain');
  const small =
    'backend: "identity" max_batch_size: 3\ninput [{ name: "IN" data_type: TYPE_INT32 dims: [ -1 ] }]\noutput [{ name: "OUT" data_type: TYPE_INT32 dims: [ -1 ] }]';
  await repository.write('named/configs/small.pbtxt', small);
  await repository.write('failing/config.pbtxt', 'backend: "onnxruntime"');
  await repository.write('failing/1/model.onnx', 'no model');
  await using server = await startNereid({
    args: [
      `--model-repository=${repository.path}`,
      '--model-config-name=small',
      '--model-load-retry-count=1',
      '--exit-on-error=false',
    ],
  });
  const { http } = server.endpoints;
  const batch = async (model: string): Promise<unknown> =>
    JSON.parse((await askHttp(http, 'GET', `/v2/models/${model}/config`)).body).max_batch_size;
  assert.equal(await batch('named'), 3);
  assert.equal(await batch('plain'), 8);
  assert.match(server.log, /failed to load 'failing' version 1: .*\(attempt 1 of 2\)/);
});
