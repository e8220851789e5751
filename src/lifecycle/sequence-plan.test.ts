// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { completeModelConfig } from '../config/complete.ts';
import { readModelConfig } from '../config/read.ts';
import { makeSequencePlan } from './sequence-plan.ts';

function plan(sequence: string, files: Record<string, Uint8Array> = {}) {
  const text = `backend: "sequence" max_batch_size: 4
input { name: "IN" data_type: TYPE_INT32 dims: 1 } output { name: "OUT" data_type: TYPE_INT32 dims: 1 }
sequence_batching { ${sequence} }`;
  const config = completeModelConfig(readModelConfig(text, 'm/config.pbtxt'), {
    modelName: 'm',
    versionDirFiles: [],
    autoComplete: false,
    serverDefaults: { defaultMaxBatchSize: 4 },
    source: { text, file: 'm/config.pbtxt', format: 'pbtxt' },
    inspection: undefined,
  });
  return makeSequencePlan(config, new Map(Object.entries(files)));
}

const control = (kind: string, values: string): string =>
  `control_input { name: "${kind}" control { kind: CONTROL_SEQUENCE_${kind} ${values} } }`;

const state = (initial = '', type = 'TYPE_INT32'): string =>
  `state { input_name: "in" output_name: "out" data_type: ${type} dims: [ -1, 2 ] ${initial} }`;

const file = (type: string): string =>
  `initial_state { name: "i" data_type: ${type} dims: [ 1, 2 ] data_file: "f" }`;

describe('makeSequencePlan', () => {
  it('gives a direct model a slot for each row, Triton’s idle time, and no delay', () => {
    assert.deepEqual(plan(''), {
      strategy: 'direct',
      slots: 4,
      maxIdleUs: 1_000_000,
      maxQueueDelayUs: 0,
      minimumSlotUtilization: 0,
      iterative: false,
      controls: [],
      states: [],
    });
  });

  it('takes the candidates of oldest', () => {
    const { strategy, slots } = plan('oldest { max_candidate_sequences: 9 }') ?? {};
    assert.deepEqual([strategy, slots], ['oldest', 9]);
  });

  it('reads every kind of control', () => {
    const controls = [
      control('START', 'int32_false_true: [ -1, 1 ]'),
      control('END', 'bool_false_true: [ false, true ]'),
      control('READY', 'fp32_false_true: [ 0.5, 2 ]'),
      control('CORRID', 'data_type: TYPE_STRING'),
    ];
    assert.deepEqual(plan(controls.join('\n'))?.controls, [
      { name: 'START', kind: 'start', datatype: 'INT32', falseValue: -1, trueValue: 1 },
      { name: 'END', kind: 'end', datatype: 'BOOL', falseValue: 0, trueValue: 1 },
      { name: 'READY', kind: 'ready', datatype: 'FP32', falseValue: 0.5, trueValue: 2 },
      { name: 'CORRID', kind: 'correlationId', datatype: 'BYTES', falseValue: 0, trueValue: 0 },
    ]);
  });

  it('begins with zeros where nothing is said, a free dimension being 1', () => {
    const made = plan(state())?.states[0];
    assert.deepEqual(made?.initialDims, [1, 2]);
    assert.deepEqual(made?.initialData, new Uint8Array(8));
    assert.deepEqual(made?.dims, [-1, 2]);
  });

  it('begins with what a file holds, whose rest is left out', () => {
    const bytes = Uint8Array.from([1, 0, 0, 0, 2, 0, 0, 0, 9]);
    const made = plan(state(file('TYPE_INT32')), { in: bytes })?.states[0];
    assert.deepEqual(made?.initialData, bytes.subarray(0, 8));
  });

  it('refuses a file that is too short, in Triton’s words', () => {
    assert.throws(() => plan(state(file('TYPE_INT32')), { in: new Uint8Array(7) }), {
      message:
        'initial_state setting expects 8 bytes, but the data provided from f only has 7 bytes.',
    });
  });

  it('takes texts as they are', () => {
    const bytes = Uint8Array.from([1, 0, 0, 0, 65, 0, 0, 0, 0]);
    const made = plan(state(file('TYPE_STRING'), 'TYPE_STRING'), { in: bytes })?.states[0];
    assert.deepEqual(made?.initialData, bytes);
  });

  it('refuses a state that no memory holds', () => {
    const huge =
      'state { input_name: "in" output_name: "out" data_type: TYPE_FP64 dims: [ 1000000, 1000000 ] }';
    assert.throws(() => plan(huge), /initial_state for state input 'in': expected at most/);
  });
});
