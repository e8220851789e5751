// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addonError, FakeEngine } from '../../test/support/fake-engine.ts';
import { TempRepository } from '../../test/support/temp-repository.ts';
import { LocalSource } from '../repository/local-source.ts';
import { readModel } from '../repository/scan.ts';
import { draftModel, type LoaderOptions, type PlannedVersion, planVersion } from './loader.ts';

const OUTPUT = 'output [{ name: "OUT" data_type: TYPE_FP32 dims: [ 2 ] label_filename: "LABELS" }]';

async function planFirst(
  repository: TempRepository,
  name: string,
  options: Partial<LoaderOptions> = {},
): Promise<PlannedVersion> {
  const draft = draftModel(await readModel([new LocalSource(repository.path)], name));
  const [version] = draft.versions;
  assert.ok(version);
  return planVersion(draft, version, {
    engine: new FakeEngine(),
    autoComplete: true,
    serverDefaults: { defaultMaxBatchSize: 4 },
    ensureBackend: async () => undefined,
    maxQueueSize: 0,
    queueFullStatus: 'Unavailable',
    backendConfig: [],
    ...options,
  });
}

function onnxEngine(): FakeEngine {
  const engine = new FakeEngine();
  engine.inspection = {
    inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 3] }],
    outputs: [{ name: 'y', datatype: 'INT64', shape: [-1] }],
  };
  return engine;
}

describe('planVersion', () => {
  it('makes a plan of a model file alone', async () => {
    using repository = new TempRepository();
    await repository.write('m/1/model.onnx', '');
    const { plan } = await planFirst(repository, 'm', { engine: onnxEngine() });
    assert.equal(plan.backend, 'onnxruntime');
    assert.equal(plan.modelFile, `${repository.path}/m/1/model.onnx`);
    assert.equal(plan.maxBatchSize, 4);
    assert.deepEqual(
      plan.inputs.map((one) => [one.name, one.dims]),
      [['x', [3]]],
    );
  });

  it('takes model.onnx inside a folder of that name', async () => {
    using repository = new TempRepository();
    await repository.write('m/1/model.onnx/model.onnx', '');
    const { plan } = await planFirst(repository, 'm', { engine: onnxEngine() });
    assert.equal(plan.modelFile, `${repository.path}/m/1/model.onnx/model.onnx`);
  });

  it('reads labels, with or without a last line end', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m', [1]);
    const config = `backend: "identity"\nmax_batch_size: 8\ninput [{ name: "IN" data_type: TYPE_FP32 dims: [ 2 ] }]\n${OUTPUT}`;
    await repository.write('m/config.pbtxt', config.replace('LABELS', 'labels.txt'));
    for (const text of ['cat\nblack dog\n', 'cat\r\nblack dog']) {
      await repository.write('m/labels.txt', text);
      const { plan } = await planFirst(repository, 'm');
      assert.deepEqual(plan.outputs[0]?.labels, ['cat', 'black dog']);
    }
    await repository.write('m/config.pbtxt', config.replace('LABELS', '../other/labels.txt'));
    await repository.write('other/labels.txt', 'secret');
    await assert.rejects(planFirst(repository, 'm'), /is outside model directory/);
    await repository.write('m/config.pbtxt', config.replace('LABELS', 'none.txt'));
    await assert.rejects(
      planFirst(repository, 'm'),
      /label file 'none.txt' of output 'OUT' cannot be read/,
    );
  });

  it('refuses a model file outside the version folder, and a missing one', async () => {
    using repository = new TempRepository();
    const tensors = `input [{ name: "x" data_type: TYPE_FP32 dims: [ 3 ] }]\noutput [{ name: "y" data_type: TYPE_INT64 dims: [ 1 ] }]`;
    await repository.write('m/1/other', '');
    const head = 'backend: "onnxruntime"\n';
    await repository.write(
      'm/config.pbtxt',
      `${head}default_model_filename: "../../x.onnx"\n${tensors}`,
    );
    await assert.rejects(
      planFirst(repository, 'm', { engine: onnxEngine() }),
      /default_model_filename/,
    );
    await repository.write('m/config.pbtxt', `${head}${tensors}`);
    await assert.rejects(
      planFirst(repository, 'm', { engine: onnxEngine() }),
      /expected a model file 'model.onnx' in the version folder, got none/,
    );
  });

  it('tells the place of a parameter of ours that is wrong', async () => {
    using repository = new TempRepository();
    await repository.write(
      'm/config.pbtxt',
      `backend: "identity" max_batch_size: 4
input { name: "IN" data_type: TYPE_FP32 dims: [ 2 ] }
output { name: "OUT" data_type: TYPE_FP32 dims: [ 2 ] }
parameters { key: "max_request_rows" value { string_value: "many" } }`,
    );
    await repository.write('m/1/.keep', '');
    await assert.rejects(planFirst(repository, 'm'), {
      message:
        'm/config.pbtxt:4:1: parameters["max_request_rows"]: expected a number of rows from max_batch_size (4) to 16384, ' +
        "got 'many'",
    });
  });

  it('passes on why a backend cannot read the file', async () => {
    using repository = new TempRepository();
    await repository.write('m/1/model.onnx', '');
    const engine = onnxEngine();
    engine.inspect = () => Promise.reject(addonError(3, 'no ONNX model'));
    await assert.rejects(planFirst(repository, 'm', { engine }), {
      name: 'ServeError',
      code: 'InvalidArgument',
      message: 'no ONNX model',
    });
  });

  it('does not look into the model file when auto-complete is off', async () => {
    using repository = new TempRepository();
    await repository.write('m/1/model.onnx', '');
    await repository.write(
      'm/config.pbtxt',
      'backend: "onnxruntime"\ninput [{ name: "x" data_type: TYPE_FP32 dims: [ 3 ] }]\noutput [{ name: "y" data_type: TYPE_INT64 dims: [ 1 ] }]',
    );
    const engine = onnxEngine();
    engine.inspect = () => Promise.reject(addonError(13, 'must not be asked'));
    const { plan } = await planFirst(repository, 'm', { engine, autoComplete: false });
    assert.equal(plan.backend, 'onnxruntime');
  });
});
