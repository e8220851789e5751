// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { completeModelConfig } from '../config/complete.ts';
import { readModelConfig } from '../config/read.ts';
import { isLiveChange } from './live-change.ts';
import type { PlannedVersion } from './loader.ts';
import { makePlan } from './plan.ts';

const TENSORS = `
input [{ name: "IN" data_type: TYPE_INT32 dims: [ -1 ] }]
output [{ name: "OUT" data_type: TYPE_INT32 dims: [ -1 ] }]
`;
const FILES = { version: 1, modelFile: '', labels: new Map() };

function planned(text: string, rateLimited = false): PlannedVersion {
  const written = readModelConfig(`backend: "identity"\n${TENSORS}\n${text}`, 'm');
  const config = completeModelConfig(written, {
    modelName: 'm',
    versionDirFiles: [],
    autoComplete: true,
  });
  const plan = makePlan(config, FILES, {
    maxQueueSize: 0,
    queueFullStatus: 'Unavailable',
    backendConfig: [],
    rateLimited,
  });
  return { config, plan };
}

const batching = (fields: string): string =>
  `max_batch_size: 8 dynamic_batching { priority_levels: 2 default_priority_level: 1 ${fields} }`;
const parameter = (key: string, value: string): string =>
  `max_batch_size: 8 dynamic_batching { } parameters { key: "${key}" value { string_value: "${value}" } }`;
const group = (count: number, fields = ''): string =>
  `instance_group [{ count: ${count} kind: KIND_CPU ${fields} }]`;

const TAKEN_OVER: readonly (readonly [string, string, string])[] = [
  ['nothing', batching(''), batching('')],
  ['the count of a group', group(1), group(4)],
  ['counts of several groups', `${group(1)} ${group(2)}`, `${group(2)} ${group(1)}`],
  [
    'the delay of batches',
    batching('max_queue_delay_microseconds: 5'),
    batching('max_queue_delay_microseconds: 9'),
  ],
  [
    'preferred sizes',
    batching('preferred_batch_size: [2]'),
    batching('preferred_batch_size: [2, 4]'),
  ],
  [
    'the policy of the queue',
    batching(''),
    batching(`default_queue_policy { max_queue_size: 4 default_timeout_microseconds: 7
      allow_timeout_override: true timeout_action: DELAY }`),
  ],
  [
    'the policy of a level',
    batching(''),
    batching('priority_queue_policy { key: 2 value { max_queue_size: 4 } }'),
  ],
  ['bytes that may wait', parameter('max_queue_bytes', '1'), parameter('max_queue_bytes', '2')],
  ['admission', parameter('admission', 'off'), parameter('admission', 'predicted_wait')],
  [
    'a latency target',
    batching(''),
    `${batching('')} parameters { key: "latency_target_ms" value { string_value: "5" } }`,
  ],
];

const sequences = (fields: string, more = ''): string =>
  `max_batch_size: 8 sequence_batching { ${fields} } ${more}`;
const SEQUENCES_TAKEN_OVER: readonly (readonly [string, string, string])[] = [
  [
    'instances of a model with sequences',
    sequences('direct { }', group(1)),
    sequences('direct { }', group(3)),
  ],
  [
    'how long sequences may be idle',
    sequences('direct { }'),
    sequences('max_sequence_idle_microseconds: 7 direct { }'),
  ],
  [
    'what batches of direct sequences wait for',
    sequences('direct { }'),
    sequences('direct { max_queue_delay_microseconds: 5 minimum_slot_utilization: 0.5 }'),
  ],
  [
    'the batches of the oldest sequences',
    sequences('oldest { max_candidate_sequences: 4 }'),
    sequences(
      'oldest { max_candidate_sequences: 4 max_queue_delay_microseconds: 5 preferred_batch_size: [ 2 ] }',
    ),
  ],
  [
    'bytes of sequences that may wait',
    sequences('oldest { max_candidate_sequences: 4 }'),
    sequences(
      'oldest { max_candidate_sequences: 4 }',
      'parameters { key: "max_queue_bytes" value { string_value: "9" } }',
    ),
  ],
];
const control = (kind: string): string =>
  `direct { } control_input { name: "C" control { kind: CONTROL_SEQUENCE_${kind} int32_false_true: [ 0, 1 ] } }`;
const state = (dims: string): string =>
  `direct { } state { input_name: "A" output_name: "B" data_type: TYPE_INT32 dims: ${dims} }`;
const SEQUENCES_BUILT_ANEW: readonly (readonly [string, string, string])[] = [
  ['sequences', 'max_batch_size: 8', sequences('direct { }')],
  [
    'the strategy of sequences',
    sequences('direct { }'),
    sequences('oldest { max_candidate_sequences: 8 }'),
  ],
  [
    'how many sequences an instance serves',
    sequences('oldest { max_candidate_sequences: 4 }'),
    sequences('oldest { max_candidate_sequences: 5 }'),
  ],
  ['controls of sequences', sequences(control('START')), sequences(control('READY'))],
  ['states of sequences', sequences(state('[ 1 ]')), sequences(state('[ 2 ]'))],
  [
    'iterative sequences',
    sequences('direct { }'),
    sequences('direct { } iterative_sequence: true'),
  ],
];

const BUILT_ANEW: readonly (readonly [string, string, string])[] = [
  ['the kind of a group', group(1), 'instance_group [{ count: 1 kind: KIND_MODEL }]'],
  ['the number of groups', group(2), `${group(1)} ${group(1)}`],
  ['the host policy of a group', group(1), group(1, 'host_policy: "p"')],
  ['the largest batch', 'max_batch_size: 4', 'max_batch_size: 8'],
  ['dynamic batching', 'max_batch_size: 8', 'max_batch_size: 8 dynamic_batching { }'],
  [
    'the order of answers',
    'max_batch_size: 8 dynamic_batching { }',
    'max_batch_size: 8 dynamic_batching { preserve_ordering: true }',
  ],
  [
    'levels of priority',
    batching(''),
    'max_batch_size: 8 dynamic_batching { priority_levels: 3 default_priority_level: 1 }',
  ],
  ['classes', parameter('other', '1'), parameter('priority_classes', 'true')],
  ['a parameter of the backend', parameter('other', '1'), parameter('other', '2')],
  ['labels of metrics', '', 'metric_tags { key: "a" value: "b" }'],
  [
    'that answers are kept',
    'max_batch_size: 8',
    'max_batch_size: 8 response_cache { enable: true }',
  ],
];

describe('isLiveChange', () => {
  for (const [what, from, to] of [...TAKEN_OVER, ...SEQUENCES_TAKEN_OVER]) {
    it(`lets a build take over ${what}`, () => {
      assert.equal(isLiveChange(planned(from), planned(to)), true);
      assert.equal(isLiveChange(planned(to), planned(from)), true);
    });
  }

  for (const [what, from, to] of [...BUILT_ANEW, ...SEQUENCES_BUILT_ANEW]) {
    it(`wants a new build for ${what}`, () => {
      assert.equal(isLiveChange(planned(from), planned(to)), false);
      assert.equal(isLiveChange(planned(to), planned(from)), false);
    });
  }

  it('wants a new build where an instance that stays would need other resources', () => {
    const needs = (name: string): string =>
      `rate_limiter { resources [{ name: "${name}" count: 1 }] }`;
    const groups = (first: number, second: number): PlannedVersion =>
      planned(`${group(first, needs('a'))} ${group(second, needs('b'))}`, true);
    assert.equal(isLiveChange(groups(1, 1), groups(1, 3)), true);
    assert.equal(isLiveChange(groups(1, 1), groups(2, 1)), false);
    assert.equal(isLiveChange(groups(2, 2), groups(2, 1)), true);
  });

  it('wants a new build of an ensemble', () => {
    const { config, plan } = planned(group(1));
    const ensemble = {
      tensors: [],
      inputs: [],
      outputs: [],
      steps: [],
      maxInflightRequests: 0,
      maxInflightBytes: 0,
    };
    const given = { config, plan: { ...plan, ensemble } };
    assert.equal(isLiveChange(given, given), false);
  });
});
