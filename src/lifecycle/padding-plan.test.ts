// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ModelPlan } from '../addon/model-plan.ts';
import { completeModelConfig } from '../config/complete.ts';
import { readModelConfig } from '../config/read.ts';
import { makePlan } from './plan.ts';

const TENSORS = `max_batch_size: 4
input [
  { name: "IDS" data_type: TYPE_INT32 dims: [ -1 ] },
  { name: "WORDS" data_type: TYPE_STRING dims: [ -1, 2, -1 ] },
  { name: "RAGGED" data_type: TYPE_FP32 dims: [ -1 ] allow_ragged_batch: true }
]
output [
  { name: "STATES" data_type: TYPE_FP32 dims: [ -1, 8 ] },
  { name: "POOLED" data_type: TYPE_FP32 dims: [ 8, -1 ] }
]
`;

function plan(parameters: Readonly<Record<string, string>>, tensors = TENSORS): ModelPlan {
  const text = Object.entries(parameters).map(
    ([key, value]) => `parameters { key: "${key}" value { string_value: "${value}" } }`,
  );
  const config = completeModelConfig(
    readModelConfig(`backend: "identity"\n${tensors}${text.join('\n')}`, 'm'),
    { modelName: 'm', versionDirFiles: [], autoComplete: true },
  );
  const files = { version: 1, modelFile: '', labels: new Map() };
  return makePlan(config, files, {
    maxQueueSize: 0,
    queueFullStatus: 'Unavailable',
    backendConfig: [],
  });
}

describe('padding of a plan', () => {
  it('is none without parameters', () => {
    const { inputs, outputs, maxRequestRows } = plan({});
    assert.ok(inputs.every((input) => input.padding === undefined));
    assert.ok(outputs.every((output) => output.unpadding === undefined));
    assert.equal(maxRequestRows, undefined);
  });

  it('has its defaults, and cuts the outputs that are free at its axis', () => {
    const { inputs, outputs } = plan({ 'pad_input.IDS': 'buckets=32,16' });
    assert.deepEqual(inputs[0]?.padding, {
      axis: 0,
      buckets: [16, 32],
      value: 0,
      maxWastePercent: 50,
    });
    assert.deepEqual(
      outputs.map(({ unpadding }) => unpadding),
      [{ axis: 0, input: 0 }, undefined],
    );
  });

  it('takes every word', () => {
    const { inputs, outputs } = plan({
      'pad_input.IDS': 'buckets=8..40; value=-3; max_waste=80; axis=0',
      'pad_input.WORDS': 'axis=2 buckets=7',
      'pad_output.STATES': 'none',
      'pad_output.POOLED': 'axis=1 input=WORDS',
    });
    assert.deepEqual(inputs[0]?.padding, {
      axis: 0,
      buckets: [8, 16, 32, 40],
      value: -3,
      maxWastePercent: 80,
    });
    assert.equal(inputs[1]?.padding?.axis, 2);
    assert.deepEqual(
      outputs.map(({ unpadding }) => unpadding),
      [undefined, { axis: 1, input: 1 }],
    );
  });

  const refused: readonly [key: string, value: string, message: RegExp][] = [
    ['pad_input.NONE', 'buckets=8', /expected the name of an input, got 'NONE'/],
    ['pad_output.NONE', 'none', /expected the name of an output, got 'NONE'/],
    ['pad_input.RAGGED', 'buckets=8', /an input without 'allow_ragged_batch'/],
    ['pad_input.IDS', '', /expected 'buckets=16,32,64' or/],
    ['pad_input.IDS', 'buckets=0,8', /sizes above 0, got '0,8'/],
    ['pad_input.IDS', 'buckets=8..4', /sizes above 0, got '8..4'/],
    ['pad_input.IDS', 'buckets=x', /sizes above 0, got 'x'/],
    ['pad_input.IDS', 'buckets=8 buckets=9', /each once, got 'buckets=9'/],
    ['pad_input.IDS', 'size=8', /each once, got 'size=8'/],
    ['pad_input.IDS', 'buckets=8 axis=1', /an axis from 0 to 0, without the rows, got '1'/],
    ['pad_input.IDS', 'buckets=8 value=0.5', /a whole number from -2147483648 to/],
    ['pad_input.IDS', 'buckets=8 value=x', /expected a number, got 'x'/],
    ['pad_input.IDS', 'buckets=8 max_waste=100', /1 to 99 percent, got '100'/],
    ['pad_input.WORDS', 'buckets=8', /'axis=…' for an input with 2 free dimensions/],
    ['pad_input.WORDS', 'buckets=8 axis=1', /a free dimension of the input, got '1'/],
    ['pad_input.WORDS', 'buckets=8 axis=0 value=1', /no 'value': added strings are empty/],
  ];
  for (const [key, value, message] of refused)
    it(`refuses ${key} = '${value}'`, () => {
      assert.throws(() => plan({ [key]: value }), message);
    });

  it('refuses an output that does not carry the dimension', () => {
    const padded = { 'pad_input.IDS': 'buckets=8' };
    assert.throws(
      () => plan({ ...padded, 'pad_output.POOLED': 'axis=0' }),
      /a free dimension of the output, got '0'/,
    );
    assert.throws(
      () => plan({ ...padded, 'pad_output.POOLED': 'axis=1 input=WORDS' }),
      /a padded input, got 'WORDS'/,
    );
  });
});

describe('max_request_rows', () => {
  it('lets requests be split', () => {
    assert.equal(plan({ max_request_rows: '100' }).maxRequestRows, 100);
    assert.equal(plan({ max_request_rows: '4' }).maxRequestRows, undefined);
  });

  for (const value of ['3', '16385', 'x', '-1', '1e9'])
    it(`refuses ${value} of a model of 4`, () => {
      assert.throws(
        () => plan({ max_request_rows: value }),
        /expected a number of rows from max_batch_size \(4\) to 16384, got/,
      );
    });

  it('refuses models whose requests cannot be split', () => {
    assert.throws(
      () => plan({ max_request_rows: '9' }, TENSORS.replace('max_batch_size: 4', '')),
      /expected a model with a batch dimension/,
    );
    assert.throws(
      () =>
        plan({ max_request_rows: '9' }, `${TENSORS} model_transaction_policy { decoupled: true }`),
      /expected a model that is not decoupled/,
    );
  });
});
