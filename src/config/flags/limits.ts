// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { both, type Flag, INT32_MAX, integer, oneOf } from './flag.ts';

/** Finite by default. */
export interface LimitsOptions {
  /** requests that may wait per model where its configuration says nothing; 0 = no limit */
  readonly maxQueueSize: number;
  /** bytes of inputs that may wait per model where its configuration says nothing; 0 = no limit */
  readonly maxQueueBytes: number;
  /** whether what cannot be served in time is refused when it comes */
  readonly admission: 'off' | 'predicted_wait';
  /** what a full queue answers */
  readonly queueFullStatus: 'Unavailable' | 'ResourceExhausted';
  /** ceiling of request, tensor and response bytes; 0 = half of the memory the process may use */
  readonly memoryLimitBytes: number;
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptyLimitsOptions: LimitsOptions = {
  maxQueueSize: 0,
  maxQueueBytes: 0,
  admission: 'off',
  queueFullStatus: 'Unavailable',
  memoryLimitBytes: 0,
};

export const limitsFlags: readonly Flag<LimitsOptions>[] = [
  {
    name: 'memory-limit',
    group: 'Limits',
    value: '<integer>',
    help: 'Bytes that requests, tensors and answers may take together; 0 means half of the memory the process may use.',
    defaults: both('0'),
    set: (draft, value) => {
      draft.memoryLimitBytes = integer(value, 0, Number.MAX_SAFE_INTEGER);
    },
  },
  {
    name: 'max-queue-size',
    group: 'Limits',
    value: '<integer>',
    help: 'Requests that may wait for one model whose configuration sets no limit; 0 means no limit.',
    defaults: { tritonserver: '0', nereid: '1024' },
    set: (draft, value) => {
      draft.maxQueueSize = integer(value, 0, INT32_MAX);
    },
  },
  {
    name: 'max-queue-bytes',
    group: 'Limits',
    value: '<integer>',
    help: 'Bytes of inputs that may wait for one model whose parameters set no max_queue_bytes; 0 means no limit.',
    defaults: { tritonserver: '0', nereid: '268435456' },
    set: (draft, value) => {
      draft.maxQueueBytes = integer(value, 0, Number.MAX_SAFE_INTEGER);
    },
  },
  {
    name: 'admission',
    group: 'Limits',
    value: '<string>',
    help: '"predicted-wait" refuses a request at once when the measured speed of its model says that its time will be over before its turn; "off" lets it wait.',
    defaults: { tritonserver: 'off', nereid: 'predicted-wait' },
    set: (draft, value) => {
      const word = oneOf('admission', value, ['off', 'predicted-wait']);
      draft.admission = word === 'off' ? 'off' : 'predicted_wait';
    },
  },
  {
    name: 'queue-full-status',
    group: 'Limits',
    value: '<string>',
    help: 'What a full queue, or an admission that refuses, answers: "unavailable" (503, UNAVAILABLE) or "exhausted" (429 with Retry-After, RESOURCE_EXHAUSTED).',
    defaults: { tritonserver: 'unavailable', nereid: 'exhausted' },
    set: (draft, value) => {
      const word = oneOf('queue-full-status', value, ['unavailable', 'exhausted']);
      draft.queueFullStatus = word === 'exhausted' ? 'ResourceExhausted' : 'Unavailable';
    },
  },
];
