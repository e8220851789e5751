// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ModelPlan } from '../addon/model-plan.ts';
import { completeModelConfig } from '../config/complete.ts';
import { readModelConfig } from '../config/read.ts';
import { makePlan, type PlanDefaults } from './plan.ts';

const TENSORS = `
input [{ name: "IN" data_type: TYPE_STRING dims: [ -1, 3 ] }]
output [{ name: "OUT" data_type: TYPE_BF16 dims: [ 4 ] reshape { shape: [ 2, 2 ] } }]
`;
const FILES = { version: 2, modelFile: '/m/2/model.onnx', labels: new Map() };
const DEFAULTS: PlanDefaults = {
  maxQueueSize: 0,
  queueFullStatus: 'Unavailable',
  backendConfig: [],
};

function plan(text: string, defaults: Partial<PlanDefaults> = {}, files = FILES): ModelPlan {
  const config = completeModelConfig(readModelConfig(`backend: "identity"\n${text}`, 'm'), {
    modelName: 'm',
    versionDirFiles: [],
    autoComplete: true,
  });
  return makePlan(config, files, { ...DEFAULTS, ...defaults });
}

describe('makePlan', () => {
  it('carries names, types, dims and reshape', () => {
    const { inputs, outputs, maxBatchSize, version, modelFile, name } = plan(
      `max_batch_size: 8 ${TENSORS}`,
    );
    assert.deepEqual(inputs, [
      { name: 'IN', datatype: 'BYTES', dims: [-1, 3], optional: false, labels: [] },
    ]);
    assert.deepEqual(outputs, [
      { name: 'OUT', datatype: 'BF16', dims: [4], optional: false, labels: [], reshape: [2, 2] },
    ]);
    assert.deepEqual([name, version, modelFile, maxBatchSize], ['m', 2, '/m/2/model.onnx', 8]);
  });

  it('batches only where the configuration says so', () => {
    assert.equal(plan(`max_batch_size: 8 ${TENSORS}`).batching, undefined);
    const given = plan(
      `max_batch_size: 8 dynamic_batching { preferred_batch_size: [4] max_queue_delay_microseconds: 100 preserve_ordering: true } ${TENSORS}`,
    );
    assert.deepEqual(given.batching, {
      preferredBatchSizes: [4],
      maxQueueDelayUs: 100,
      preserveOrdering: true,
    });
  });

  it('takes the queue limit of the model before that of the server', () => {
    const policy =
      'dynamic_batching { default_queue_policy { max_queue_size: 5 default_timeout_microseconds: 7 allow_timeout_override: true } }';
    const server = { maxQueueSize: 1024, queueFullStatus: 'ResourceExhausted' } as const;
    assert.deepEqual(plan(`max_batch_size: 8 ${policy} ${TENSORS}`, server).queue, {
      maxQueueSize: 5,
      defaultTimeoutUs: 7,
      allowTimeoutOverride: true,
      fullStatus: 'ResourceExhausted',
    });
    assert.equal(plan(`max_batch_size: 8 ${TENSORS}`, server).queue.maxQueueSize, 1024);
    assert.equal(plan(`max_batch_size: 8 ${TENSORS}`).queue.maxQueueSize, 0);
  });

  it('gives each priority level its policy', () => {
    const config = `dynamic_batching {
      priority_levels: 3 default_priority_level: 2
      default_queue_policy { timeout_action: DELAY default_timeout_microseconds: 9 }
      priority_queue_policy { key: 1 value { max_queue_size: 4 allow_timeout_override: true } } }`;
    const server = { maxQueueSize: 1024 } as const;
    assert.deepEqual(plan(`max_batch_size: 8 ${config} ${TENSORS}`, server).queue, {
      maxQueueSize: 1024,
      defaultTimeoutUs: 9,
      allowTimeoutOverride: false,
      delaysExpired: true,
      priorities: {
        levels: 3,
        defaultLevel: 2,
        policies: [{ level: 1, maxQueueSize: 4, defaultTimeoutUs: 0, allowTimeoutOverride: true }],
      },
      fullStatus: 'Unavailable',
    });
  });

  it('takes the limits of load of the model before those of the server', () => {
    const given = (key: string, value: string): string =>
      `parameters { key: "${key}" value { string_value: "${value}" } }`;
    const server = { maxQueueBytes: 100, admission: 'predicted_wait' } as const;
    const limits = (config: string, defaults = {}): object => {
      const { maxQueueBytes, predictsWait } = plan(`${config} ${TENSORS}`, defaults).queue;
      return { maxQueueBytes, predictsWait };
    };
    const none = { maxQueueBytes: undefined, predictsWait: undefined };
    assert.deepEqual(limits(''), none);
    assert.deepEqual(limits('', server), { maxQueueBytes: 100, predictsWait: true });
    const off = given('max_queue_bytes', '0') + given('admission', 'off');
    assert.deepEqual(limits(off, server), none);
    const on = given('max_queue_bytes', '7') + given('admission', 'predicted_wait');
    assert.deepEqual(limits(on), { maxQueueBytes: 7, predictsWait: true });
    for (const [key, value, expected] of [
      ['max_queue_bytes', '-1', 'a number of bytes, 0 = no limit'],
      ['max_queue_bytes', '1k', 'a number of bytes, 0 = no limit'],
      ['admission', 'on', "'off' or 'predicted_wait'"],
    ] as const) {
      assert.throws(() => limits(given(key, value)), {
        message: `parameters["${key}"]: expected ${expected}, got '${value}'`,
      });
    }
  });

  it('takes the limits of load that sequences can have and refuses the others', () => {
    const server = { maxQueueBytes: 100, admission: 'predicted_wait' } as const;
    const sequences = (more = ''): object =>
      plan(`max_batch_size: 4 sequence_batching { } ${more} ${TENSORS}`, server).queue;
    const given = (key: string, value: string): string =>
      `parameters { key: "${key}" value { string_value: "${value}" } }`;
    const queue = {
      maxQueueSize: 0,
      defaultTimeoutUs: 0,
      allowTimeoutOverride: false,
      fullStatus: 'Unavailable',
      maxQueueBytes: 100,
    };
    assert.deepEqual(sequences(), queue);
    assert.deepEqual(sequences(given('max_queue_bytes', '7')), { ...queue, maxQueueBytes: 7 });
    const off = given('admission', 'off') + given('priority_classes', 'false');
    assert.deepEqual(sequences(off), queue);
    for (const [key, value, expected] of [
      ['admission', 'predicted_wait', "'off' for a model with 'sequence_batching'"],
      ['priority_classes', 'true', "a model without 'sequence_batching'"],
      ['priority_class_ageing_ms', '5', "a model without 'sequence_batching'"],
      ['latency_target_ms', '5', 'a model with dynamic_batching'],
      ['max_request_rows', '8', "a model without 'sequence_batching'"],
      ['pad_input.IN', 'buckets=8', "a model without 'sequence_batching'"],
      ['pad_output.OUT', 'none', "a model with 'pad_input.…'"],
    ] as const) {
      assert.throws(
        () => sequences(given(key, value)),
        (error: Error) => error.message.startsWith(`parameters["${key}"]: expected ${expected}`),
        key,
      );
    }
  });

  it('follows a latency target within the bounds of the configuration', () => {
    const target = (ms: string): string =>
      `parameters { key: "latency_target_ms" value { string_value: "${ms}" } }`;
    const given = (batching: string, ms = '20.5'): object | undefined =>
      plan(`max_batch_size: 8 ${batching} ${target(ms)} ${TENSORS}`).latencyTarget;
    const any = { us: 20500, hasPreferredSizes: false };
    assert.deepEqual(given('dynamic_batching { }'), any);
    assert.deepEqual(given('dynamic_batching { preferred_batch_size: 8 }'), any);
    assert.deepEqual(given('dynamic_batching { preferred_batch_size: [ 4, 8 ] }'), {
      ...any,
      hasPreferredSizes: true,
    });
    assert.throws(() => given(''), /expected a model with dynamic_batching/);
    assert.throws(
      () => given('dynamic_batching { }', '0'),
      /0\.001 to 3600000 milliseconds, got '0'/,
    );
  });

  it('gives each instance its resources where the rate limiter is on', () => {
    const config = `${TENSORS}
      instance_group [
        { count: 2 rate_limiter { resources [{ name: "R1" count: 3 }, { name: "g" global: true count: 1 }] priority: 2 } },
        { count: 1 }]`;
    const resources = [
      { name: 'r1', global: false, count: 3 },
      { name: 'g', global: true, count: 1 },
    ];
    assert.deepEqual(plan(config, { rateLimited: true }).instanceLimits, [
      { priority: 2, resources },
      { priority: 2, resources },
      { priority: 1, resources: [] },
    ]);
    assert.equal(plan(config).instanceLimits, undefined);
    assert.equal(
      plan(`${TENSORS} instance_group { count: 2 }`, { rateLimited: true }).instanceLimits,
      undefined,
    );
  });

  it('makes levels of the classes of load', () => {
    const classes = 'parameters { key: "priority_classes" value { string_value: "true" } }';
    const given = plan(`${classes} ${TENSORS}`, { maxQueueSize: 1024 }).queue;
    assert.deepEqual(given, {
      maxQueueSize: 0,
      defaultTimeoutUs: 0,
      allowTimeoutOverride: false,
      priorities: { levels: 3, defaultLevel: 2, policies: [] },
      classes: { ageingUs: 1_000_000, maxQueueSize: 1024 },
      fullStatus: 'Unavailable',
    });
    const ageing = (ms: string): string =>
      `parameters { key: "priority_class_ageing_ms" value { string_value: "${ms}" } }`;
    assert.equal(plan(`${classes} ${ageing('5')} ${TENSORS}`).queue.classes?.ageingUs, 5000);
    assert.equal(plan(`${ageing('5')} ${TENSORS}`).queue.classes, undefined);
    assert.throws(() => plan(`${classes} ${ageing('0')} ${TENSORS}`), /got '0'/);
    for (const field of [
      'priority_levels: 2 default_priority_level: 1',
      'preserve_ordering: true',
      'default_queue_policy { timeout_action: DELAY }',
    ]) {
      const config = `max_batch_size: 2 dynamic_batching { ${field} } ${classes} ${TENSORS}`;
      assert.throws(
        () => plan(config),
        /expected a model without '.*', whose order it would change/,
      );
    }
  });

  it('has no use for the policies of levels that there are not', () => {
    const config =
      'dynamic_batching { priority_queue_policy { key: 1 value { max_queue_size: 4 } } }';
    assert.equal(plan(`max_batch_size: 8 ${config} ${TENSORS}`).queue.priorities, undefined);
  });

  it('takes the largest numbers that a configuration can hold', () => {
    const most = 2n ** 64n - 1n;
    const config = `dynamic_batching { priority_levels: ${most} default_priority_level: ${most}
      default_queue_policy { default_timeout_microseconds: ${most} } max_queue_delay_microseconds: ${most} }`;
    const given = plan(`max_batch_size: 8 ${config} ${TENSORS}`);
    const largest = Number.MAX_SAFE_INTEGER;
    assert.equal(given.queue.defaultTimeoutUs, largest);
    assert.deepEqual(given.queue.priorities, {
      levels: largest,
      defaultLevel: largest,
      policies: [],
    });
    assert.equal(given.batching?.maxQueueDelayUs, largest);
  });

  it('keeps the order of a model without a batch dimension too', () => {
    const given = plan(`dynamic_batching { preserve_ordering: true } ${TENSORS}`);
    assert.equal(given.batching?.preserveOrdering, true);
  });

  it('counts the instances of every group', () => {
    const groups = 'instance_group [{ kind: KIND_CPU count: 2 }, { kind: KIND_CPU count: 3 }]';
    assert.equal(plan(`max_batch_size: 8 ${groups} ${TENSORS}`).instanceCount, 5);
    assert.equal(plan(`max_batch_size: 8 ${TENSORS}`).instanceCount, 1);
  });

  it('lets the parameters of the model win over those of its backend', () => {
    const backendConfig = [
      { backend: 'identity', key: 'a', value: 'server' },
      { backend: 'identity', key: 'b', value: 'server' },
      { backend: 'onnxruntime', key: 'c', value: 'other' },
      { backend: '', key: 'default-max-batch-size', value: '4' },
    ];
    const text = `max_batch_size: 8 parameters { key: "a" value { string_value: "model" } } ${TENSORS}`;
    assert.deepEqual(plan(text, { backendConfig }).parameters, { a: 'model', b: 'server' });
  });

  it('puts labels on their output and _ before metric tags', () => {
    const labels = new Map([['OUT', ['zero', 'one']]]);
    const made = plan(
      `max_batch_size: 8 metric_tags { key: "team" value: "a" } ${TENSORS}`,
      {},
      { ...FILES, labels },
    );
    assert.deepEqual(made.outputs[0]?.labels, ['zero', 'one']);
    assert.deepEqual(made.metricTags, { _team: 'a' });
  });

  it('says when a model is decoupled', () => {
    const text = `max_batch_size: 8 model_transaction_policy { decoupled: true } ${TENSORS}`;
    assert.equal(plan(text).decoupled, true);
    assert.equal(plan(`max_batch_size: 8 ${TENSORS}`).decoupled, false);
  });

  const RAGGED = `max_batch_size: 8
    input [
      { name: "A" data_type: TYPE_FP32 dims: [ 2 ] },
      { name: "B" data_type: TYPE_FP32 dims: [ -1 ] allow_ragged_batch: true }
    ]
    output { name: "OUT" data_type: TYPE_FP32 dims: [ -1 ] }`;

  it('points tensors of ragged batches to their source', () => {
    const { inputs, outputs, batchInputs } = plan(`${RAGGED}
      batch_input { kind: BATCH_ELEMENT_COUNT target_name: [ "C", "D" ] data_type: TYPE_FP32 source_input: "B" }
      batch_input { kind: BATCH_ITEM_SHAPE_FLATTEN target_name: "E" data_type: TYPE_INT32 source_input: "A" }
      batch_output { target_name: "OUT" source_input: "B" }`);
    assert.deepEqual(
      inputs.map(({ ragged }) => ragged),
      [undefined, true],
    );
    assert.equal(outputs[0]?.scatteredBy, 1);
    assert.deepEqual(batchInputs, [
      { kind: 'elementCount', name: 'C', datatype: 'FP32', source: 1 },
      { kind: 'elementCount', name: 'D', datatype: 'FP32', source: 1 },
      { kind: 'itemShapeFlatten', name: 'E', datatype: 'INT32', source: 0 },
    ]);
  });

  it('refuses shapes of rows where there are none', () => {
    assert.throws(
      () =>
        plan(`${RAGGED.replace('max_batch_size: 8', '')}
          batch_input { kind: BATCH_ITEM_SHAPE target_name: "C" data_type: TYPE_FP32 source_input: "B" }`),
      /batch input kind 'BATCH_ITEM_SHAPE' of model 'm' needs a batch dimension/,
    );
  });
});
