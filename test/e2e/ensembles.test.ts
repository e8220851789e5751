// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { askHttp, inferBody } from '../support/http-client.ts';
import { projectRoot, startNereid } from '../support/nereid.ts';
import { ONNX_INT32, OnnxFile } from '../support/onnx-file.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { until } from '../support/until.ts';

const python = process.env['NEREID_TEST_PYTHON'] ?? 'python3';
const MINUTE = 60_000;

const absolute = new OnnxFile()
  .input('IN', ONNX_INT32, [-1, -1])
  .node('Abs', ['IN'], ['OUT'])
  .output('OUT', ONNX_INT32, [-1, -1]);

const explicit = (repository: TempRepository): string[] => [
  `--model-repository=${repository.path}`,
  '--model-control-mode=explicit',
  '--exit-on-error=false',
  '--enable-test-backends',
];

describe('ensembles', () => {
  it('serve the real clients over HTTP and gRPC', { timeout: 2 * MINUTE }, async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    await repository.add(
      'three',
      'stream',
      [1],
      'model_transaction_policy { decoupled: true } parameters { key: "responses" value { string_value: "3" } }',
    );
    await repository.add(
      'bad',
      'poison',
      [1],
      'parameters { key: "message" value { string_value: "poisoned" } }',
    );
    await repository.addChain('two', ['m', 'm']);
    await repository.addChain('nested', ['two', 'm', 'two']);
    await repository.addChain('many', ['m', 'three', 'm']);
    await repository.addChain('failing', ['m', 'bad', 'm']);
    await repository.write(
      'absolute/config.pbtxt',
      `platform: "onnxruntime_onnx" max_batch_size: 8
       input { name: "IN" data_type: TYPE_INT32 dims: [ -1 ] }
       output { name: "OUT" data_type: TYPE_INT32 dims: [ -1 ] }`,
    );
    await mkdir(join(repository.path, 'absolute/1'));
    await writeFile(join(repository.path, 'absolute/1/model.onnx'), absolute.bytes());
    await repository.addChain('onnx', ['absolute', 'm', 'absolute']);
    await using server = await startNereid({
      args: [
        ...explicit(repository),
        ...['nested', 'many', 'failing', 'onnx'].map((name) => `--load-model=${name}`),
        '--extended-metrics=true',
      ],
    });
    const { http, grpc, metrics } = server.endpoints;
    const script = join(projectRoot, 'test/e2e/ensembles.py');
    const { stdout } = await promisify(execFile)(python, [script, http, grpc]);
    assert.equal(stdout, 'ok\n');
    const page = (await askHttp(metrics, 'GET', '/metrics')).body;
    const sample = (family: string, model: string): number =>
      Number(
        new RegExp(`^nereid_ensemble_${family}_total{.*"${model}".*} (\\d+)$`, 'm').exec(page)?.[1],
      );
    for (const name of ['two', 'nested', 'many', 'onnx']) {
      assert.ok(sample('handed_on_bytes', name) > 0, name);
      assert.equal(sample('copied_bytes', name), 0, name);
      assert.equal(sample('copied_tensors', name), 0, name);
    }
    // Each protocol sends it 11 rows of 3 numbers, which two of its steps read of others.
    assert.equal(sample('handed_on_bytes', 'nested'), 2 * 11 * 3 * 4 * 2);
  });

  it('change with their models under load, without an error', { timeout: 2 * MINUTE }, async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    await repository.addChain('two', ['m', 'm']);
    await repository.addChain('nested', ['two', 'm']);
    await using server = await startNereid({
      args: [...explicit(repository), '--load-model=nested'],
    });
    const { http } = server.endpoints;
    let ends = false;
    let answers = 0;
    const ask = async (): Promise<void> => {
      while (!ends) {
        const answer = await askHttp(http, 'POST', '/v2/models/nested/infer', {
          body: inferBody(),
        });
        assert.equal(answer.status, 200, answer.body);
        answers += 1;
      }
    };
    const load = Promise.all([ask(), ask(), ask(), ask()]);
    for (let round = 0; round < 10; round += 1) {
      const before = answers;
      await repository.addIdentity(
        'm',
        [1],
        `parameters { key: "r" value { string_value: "${round}" } }`,
      );
      const loaded = await askHttp(http, 'POST', '/v2/repository/models/m/load');
      assert.equal(loaded.status, 200, loaded.body);
      await until(() => answers >= before + 20);
    }
    ends = true;
    await load;
  });

  it('stand and fall with their models', { timeout: 2 * MINUTE }, async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    await repository.addChain('two', ['m', 'm']);
    await repository.addChain('nested', ['two', 'm']);
    await repository.addChain('lost', ['ghost']);
    await repository.addChain('wide', ['m'], { maxBatchSize: 16 });
    await repository.addChain('left', ['right']);
    await repository.addChain('right', ['left']);
    await using server = await startNereid({ args: explicit(repository) });
    const { http } = server.endpoints;
    const post = (path: string, body?: object) =>
      askHttp(http, 'POST', `/v2/repository/${path}`, body && { body: JSON.stringify(body) });
    const states = async (): Promise<Record<string, string>> => {
      const rows = JSON.parse((await post('index')).body) as { name: string; state?: string }[];
      return Object.fromEntries(rows.map(({ name, state }) => [name, state ?? '']));
    };
    const infer = async (name: string): Promise<[number, string]> => {
      const answer = await askHttp(http, 'POST', `/v2/models/${name}/infer`, { body: inferBody() });
      return [answer.status, (JSON.parse(answer.body) as { error?: string }).error ?? ''];
    };
    for (const [name, error] of [
      ['lost', 'ensemble lost contains models that are not available or ambiguous: ghost'],
      [
        'wide',
        'ensemble wide allows maximum batch size 16, but it contains model m which only allows maximum batch size to be 8',
      ],
      ['left', 'circular dependency between ensembles: left -> ... -> right -> left'],
    ] as const) {
      const answer = await post(`models/${name}/load`);
      assert.equal(answer.status, 400);
      assert.deepEqual(JSON.parse(answer.body), {
        error: `load failed for model '${name}': ${error}\n`,
      });
      assert.deepEqual(await infer(name), [
        404,
        `Request for unknown model: '${name}' is not found`,
      ]);
    }
    // Brings the models it needs.
    await post('models/nested/load');
    assert.deepEqual(await infer('nested'), [200, '']);
    await post('models/m/unload');
    assert.deepEqual(await infer('nested'), [
      404,
      "Request for unknown model: 'nested' has no available versions",
    ]);
    await until(async () => (await states())['two'] === 'UNAVAILABLE');
    await post('models/m/load');
    assert.deepEqual(await infer('nested'), [200, '']);
    // m was asked for, two was not.
    await post('models/nested/unload', { parameters: { unload_dependents: true } });
    await until(async () => (await states())['two'] === 'UNAVAILABLE');
    assert.equal((await states())['m'], 'READY');
  });
});
