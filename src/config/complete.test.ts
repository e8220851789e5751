// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DataType } from '../addon/data-type.ts';
import type { InspectedTensor, ModelInspection } from '../addon/types.ts';
import {
  type CompleteOptions,
  checkModelConfig,
  completeModelConfig,
  resolveBackend,
} from './complete.ts';
import { ConfigError } from './config-error.ts';
import type { ModelConfig } from './model-config.ts';
import { parseModelConfigJson, readModelConfig } from './read.ts';
import { modelConfigJson } from './write.ts';

const tensor = (name: string, datatype: DataType, ...shape: number[]): InspectedTensor => ({
  name,
  datatype,
  shape,
});

const BATCHING: ModelInspection = {
  inputs: [tensor('zebra', 'FP32', -1, 64), tensor('ant', 'BYTES', -1)],
  outputs: [tensor('y', 'INT64', -1, -1, 10)],
};
const FIXED: ModelInspection = {
  inputs: [tensor('x', 'FP16', 1, 3)],
  outputs: [tensor('y', 'BF16')],
};

function complete(text: string, options: Partial<CompleteOptions> = {}): ModelConfig {
  const source = { text, file: 'm/config.pbtxt', format: 'pbtxt' } as const;
  return completeModelConfig(readModelConfig(text, source.file), {
    modelName: 'm',
    versionDirFiles: ['model.onnx'],
    autoComplete: true,
    source,
    ...options,
  });
}

function failure(text: string, options: Partial<CompleteOptions> = {}): ConfigError {
  try {
    complete(text, options);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error;
  }
  return assert.fail('it was accepted');
}

describe('auto-completion of an ONNX model', () => {
  it('takes inputs and outputs over in the order of the model, without the batch dimension', () => {
    const config = complete('', { inspection: BATCHING });
    assert.deepEqual(
      config.input.map(({ name, data_type, dims, reshape }) => ({
        name,
        data_type,
        dims,
        reshape,
      })),
      [
        { name: 'zebra', data_type: 'TYPE_FP32', dims: [64n], reshape: undefined },
        { name: 'ant', data_type: 'TYPE_STRING', dims: [1n], reshape: { shape: [] } },
      ],
    );
    assert.deepEqual(
      config.output.map(({ dims }) => dims),
      [[-1n, 10n]],
    );
  });

  it('prints what Triton prints for a model with a free first dimension', () => {
    const config = complete('', { inspection: BATCHING });
    assert.equal(config.max_batch_size, 4);
    assert.deepEqual(config.dynamic_batching?.preferred_batch_size, [4]);
    assert.deepEqual(
      config.instance_group.map(({ name, kind, count }) => [name, kind, count]),
      [['m', 'KIND_CPU', 2]],
    );
    assert.deepEqual(
      [config.backend, config.platform, config.default_model_filename],
      ['onnxruntime', 'onnxruntime_onnx', 'model.onnx'],
    );
    assert.match(
      modelConfigJson(config),
      /"input":\[\{"name":"zebra","data_type":"TYPE_FP32","format":"FORMAT_NONE","dims":\[64\],"is_shape_tensor":false,/,
    );
  });

  it('follows the default batch size of the server, and batches only beyond 1', () => {
    const of = (defaultMaxBatchSize: number): ModelConfig =>
      complete('', { inspection: BATCHING, serverDefaults: { defaultMaxBatchSize } });
    assert.equal(of(16).max_batch_size, 16);
    assert.equal(of(1).dynamic_batching, undefined);
    assert.deepEqual(
      [of(0).max_batch_size, of(0).input[1]?.dims, of(0).input[1]?.reshape],
      [0, [-1n], undefined],
    );
  });

  it('keeps the batch size and the scheduler that are given', () => {
    const config = complete('max_batch_size: 32 sequence_batching { }', { inspection: BATCHING });
    assert.equal(config.max_batch_size, 32);
    assert.equal(config.dynamic_batching, undefined);
  });

  it('keeps from clients what the sequence batcher makes or keeps', () => {
    const inspection = {
      inputs: ['x', 'start', 'sum_in'].map((name) => tensor(name, 'FP32', -1, 1)),
      outputs: ['y', 'sum_out'].map((name) => tensor(name, 'FP32', -1, 1)),
    };
    const config = complete(
      `sequence_batching {
         control_input { name: "start" control { kind: CONTROL_SEQUENCE_START fp32_false_true: [ 0, 1 ] } }
         state { input_name: "sum_in" output_name: "sum_out" data_type: TYPE_FP32 dims: [ 1 ] }
       }`,
      { inspection },
    );
    assert.deepEqual(
      config.input.map(({ name }) => name),
      ['x'],
    );
    assert.deepEqual(
      config.output.map(({ name }) => name),
      ['y'],
    );
  });

  it('does not batch a model whose first dimension is fixed', () => {
    const config = complete('', { inspection: FIXED });
    assert.deepEqual([config.max_batch_size, config.dynamic_batching], [0, undefined]);
    assert.deepEqual(
      [config.input[0]?.dims, config.output[0]?.dims, config.output[0]?.reshape],
      [[1n, 3n], [1n], undefined],
    );
    const error = failure('max_batch_size: 8', { inspection: FIXED });
    assert.match(
      error.message,
      /^m\/config\.pbtxt:1:1: max_batch_size: autofill failed for model 'm': model does not support batching while non-zero max_batch_size is specified/,
    );
    assert.equal(error.phase, 'load');
  });

  it('leaves a configuration alone that names inputs and outputs', () => {
    const text = `input { name: "zebra" data_type: TYPE_FP32 dims: [ -1, 64 ] } input { name: "ant" data_type: TYPE_STRING dims: -1 }
      output { name: "y" data_type: TYPE_INT64 dims: [ -1, -1, 10 ] }`;
    const config = complete(text, { inspection: BATCHING });
    assert.deepEqual([config.max_batch_size, config.dynamic_batching], [0, undefined]);
  });

  it('fills only the half that is missing', () => {
    const config = complete('output { name: "y" data_type: TYPE_INT64 dims: [ -1, 10 ] }', {
      inspection: BATCHING,
    });
    assert.deepEqual(
      config.input.map(({ name }) => name),
      ['zebra', 'ant'],
    );
    assert.equal(config.output.length, 1);
  });

  it('fills nothing when it is switched off', () => {
    assert.match(
      failure('', { inspection: BATCHING, autoComplete: false }).message,
      /unable to load model 'm', configuration expects 0 inputs, model provides 2; the configuration does not name 'zebra', 'ant'/,
    );
  });
});

describe('a configuration against its model file', () => {
  const inspection: ModelInspection = {
    inputs: [tensor('x', 'FP32', -1, 64)],
    outputs: [tensor('y', 'FP32', -1, 10)],
  };
  const x = 'input { name: "x" data_type: TYPE_FP32 dims: 64 }\n';
  const y = 'output { name: "y" data_type: TYPE_FP32 dims: 10 }\n';
  const bad: readonly [what: string, text: string, message: string][] = [
    [
      'too many dimensions',
      `max_batch_size: 8\n${y}input { name: "x" data_type: TYPE_FP32 dims: [ 64, 1 ] }`,
      "m/config.pbtxt:3:40: input[0].dims: model 'm', tensor 'x': the model expects 2 dimensions (shape [-1,64]) but the model configuration specifies 3 dimensions (an initial batch dimension because max_batch_size > 0 followed by the explicit tensor shape, making complete shape [-1,64,1])",
    ],
    [
      'a missing batch dimension',
      `${x}output { name: "y" data_type: TYPE_FP32 dims: [ -1, 10 ] }`,
      "m/config.pbtxt:1:40: input[0].dims: model 'm', tensor 'x': the model expects 2 dimensions (shape [-1,64]) but the model configuration specifies 1 dimensions (shape [64])",
    ],
    [
      'another size',
      `max_batch_size: 8\n${x}output { name: "y" data_type: TYPE_FP32 dims: 11 }`,
      "m/config.pbtxt:3:41: output[0].dims: model 'm', tensor 'y': the model expects 2 dimensions (shape [-1,10]) but",
    ],
    [
      'another datatype',
      `max_batch_size: 8\n${x}output { name: "y" data_type: TYPE_INT32 dims: 10 }`,
      "m/config.pbtxt:3:20: output[0].data_type: unable to load model 'm', configuration expects datatype TYPE_INT32 for output 'y', model provides TYPE_FP32",
    ],
    [
      'an unknown name',
      `max_batch_size: 8\n${y}input { name: "X1" data_type: TYPE_FP32 dims: 64 }`,
      "m/config.pbtxt:3:9: input[0].name: unexpected inference input 'X1', allowed inputs are: x; did you mean 'x'?",
    ],
    [
      'too many inputs',
      `max_batch_size: 8\n${x}${y}input { name: "w" data_type: TYPE_FP32 dims: 64 }`,
      "m/config.pbtxt:2:1: input: unable to load model 'm', configuration expects 2 inputs, model provides 1",
    ],
  ];
  for (const [what, text, message] of bad)
    it(`names ${what}`, () => {
      const error = failure(text, { inspection });
      assert.equal(error.message.slice(0, message.length), message);
      assert.equal(error.phase, 'load');
    });

  it('lets an input promise a size where the model leaves it free', () => {
    const free: ModelInspection = {
      inputs: [tensor('x', 'FP32', -1, -1)],
      outputs: inspection.outputs,
    };
    assert.equal(complete(`max_batch_size: 8 ${x}${y}`, { inspection: free }).input.length, 1);
  });

  it('holds an output to what the model leaves free', () => {
    const free: ModelInspection = {
      inputs: inspection.inputs,
      outputs: [tensor('y', 'FP32', -1, -1)],
    };
    assert.match(
      failure(`max_batch_size: 8 ${x}${y}`, { inspection: free }).message,
      /tensor 'y': the model expects 2 dimensions \(shape \[-1,-1\]\) but .* making complete shape \[-1,10\]\)$/,
    );
  });

  it('compares the reshaped dimensions', () => {
    const reshaped =
      'input { name: "x" data_type: TYPE_FP32 dims: [ 8, 8 ] reshape { shape: 64 } }';
    assert.ok(complete(`max_batch_size: 8 ${reshaped} ${y}`, { inspection }));
  });

  it('wants a free first dimension of a model that shall batch', () => {
    const fixed: ModelInspection = {
      inputs: [tensor('x', 'FP32', 1, 64)],
      outputs: inspection.outputs,
    };
    assert.match(
      failure(`max_batch_size: 8 ${x}${y}`, { inspection: fixed }).message,
      /the first dimension must be -1; but shape expected by the model is \[1,64\]$/,
    );
  });

  it('allows an input less when the others are optional', () => {
    const two: ModelInspection = {
      inputs: [...inspection.inputs, tensor('o', 'FP32', -1, 1)],
      outputs: inspection.outputs,
    };
    assert.match(
      failure(`max_batch_size: 8 ${x}${y}`, { inspection: two }).message,
      /expects 1 inputs, model provides 2; the configuration does not name 'o'$/,
    );
  });
});

describe('positions of problems found after reading', () => {
  it('come from the field, also in a map and after CRLF', () => {
    assert.match(
      failure('backend: "b"\r\n\r\n max_batch_size: -1').message,
      /^m\/config\.pbtxt:3:2: max_batch_size: 'max_batch_size' must be non-negative value for m$/,
    );
    assert.match(
      failure(
        'backend: "b" dynamic_batching { priority_levels: 1 default_priority_level: 1\npriority_queue_policy { key: 3 value { } } }',
      ).message,
      /^m\/config\.pbtxt:2:1: dynamic_batching\.priority_queue_policy\["3"\]: priority queue/,
    );
  });

  it('come from what holds the field when the field itself is missing', () => {
    assert.match(
      failure('backend: "b"\ninput { name: "x" data_type: TYPE_FP32 }').message,
      /^m\/config\.pbtxt:2:1: input\[0\]: model input 'x' must specify 'dims' for m$/,
    );
  });

  it('are left out when nothing was written', () => {
    const error = failure('', { versionDirFiles: [] });
    assert.match(
      error.message,
      /^m\/config\.pbtxt: Invalid model name: Could not determine backend for model 'm'/,
    );
    assert.equal(error.position, undefined);
  });

  it('come from JSON as well', () => {
    const text = '{"backend": "b",\n "maxBatchSize": -1}';
    const options = {
      modelName: 'm',
      versionDirFiles: [],
      autoComplete: true,
      source: { text, file: 'config', format: 'json' },
    } as const;
    assert.throws(
      () => completeModelConfig(parseModelConfigJson(text), options),
      /^\w*Error: config:2:2: max_batch_size: 'max_batch_size' must/,
    );
  });
});

describe('resolveBackend', () => {
  it('tells the file to inspect before anything is inspected', () => {
    const config = resolveBackend(readModelConfig('', 'f'), {
      modelName: 'm',
      versionDirFiles: ['model.onnx'],
    });
    assert.deepEqual(
      [config.name, config.backend, config.default_model_filename],
      ['m', 'onnxruntime', 'model.onnx'],
    );
  });

  it('leaves a backend of the user alone', () => {
    const config = resolveBackend(readModelConfig('backend: "identity"', 'f'), {
      modelName: 'm',
      versionDirFiles: ['model.onnx'],
    });
    assert.deepEqual(
      [config.backend, config.platform, config.default_model_filename],
      ['identity', '', ''],
    );
  });
});

describe('instance groups on a machine with GPUs', () => {
  const gpus = { serverDefaults: { gpus: [0, 1] } };
  it('are placed on all of them', () => {
    const [group] = complete('backend: "identity"', gpus).instance_group;
    assert.deepEqual([group?.kind, group?.gpus, group?.count], ['KIND_GPU', [0, 1], 1]);
  });
  it('stay on the CPU when they say so', () => {
    const [group] = complete(
      'backend: "identity" instance_group { kind: KIND_CPU }',
      gpus,
    ).instance_group;
    assert.deepEqual([group?.kind, group?.gpus], ['KIND_CPU', []]);
  });
  it('must name a GPU that is there', () => {
    assert.match(
      failure('backend: "identity" instance_group { kind: KIND_GPU gpus: 2 }', gpus).message,
      /invalid or unsupported gpu id 2\. .* are: 0 1$/,
    );
  });
});

describe('limits of our own', () => {
  it('refuses an absurd number of instances', () => {
    assert.match(
      failure('backend: "b" instance_group { count: 2147483647 }').message,
      /asks for 2147483647 instances, at most 1024 are started$/,
    );
  });
  it('refuses an absolute file name', () => {
    assert.match(
      failure('backend: "b" default_model_filename: "/etc/passwd"').message,
      /model file name '\/etc\/passwd' of model m is outside the version directory$/,
    );
  });
});

describe('checkModelConfig', () => {
  it('names every problem', () => {
    const text = 'backend: "b" max_batch_size: -1 input { name: "x" } output { dims: 0 }';
    const { problems } = checkModelConfig(readModelConfig(text, 'f'), {
      modelName: 'm',
      versionDirFiles: [],
      autoComplete: true,
    });
    assert.deepEqual(
      problems.map(({ path, text }) => `${path}: ${text}`),
      [
        "max_batch_size: 'max_batch_size' must be non-negative value for m",
        "input[0]: model input 'x' must specify 'data_type' for m",
        "input[0]: model input 'x' must specify 'dims' for m",
        "output[0]: model output must specify 'name' for m",
      ],
    );
  });

  it('tells of the model file what no rule told of the same field', () => {
    const text = `max_batch_size: 4
input { name: "a" dims: 0 }
input { name: "b" data_type: TYPE_BOOL }
output { name: "z" dims: 1 }`;
    const { problems } = checkModelConfig(readModelConfig(text, 'f'), {
      modelName: 'm',
      versionDirFiles: ['model.onnx'],
      autoComplete: true,
      inspection: {
        inputs: [
          { name: 'a', datatype: 'FP32', shape: [-1, 1] },
          { name: 'b', datatype: 'FP32', shape: [-1, 1] },
          { name: 'c', datatype: 'FP32', shape: [-1, 1] },
        ],
        outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
      },
    });
    assert.deepEqual(
      problems.map(({ path, from }) => `${from} ${path}`),
      [
        'rules input[0]',
        'rules input[0].dims[0]',
        'rules input[1]',
        'rules output[0]',
        'model-file input',
        'model-file input[1].data_type',
        'model-file output[0].name',
      ],
    );
  });
});
