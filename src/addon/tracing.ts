// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { DataType } from './data-type.ts';

/** Chooses every `rate`-th request until `count` were chosen (-1 = without end). */
export interface TraceSampler {
  /** a new number for new settings; a sampler that is known goes on counting */
  readonly id: number;
  readonly timestamps: boolean;
  readonly tensors: boolean;
  readonly rate: number;
  readonly count: number;
}

/** Which requests are traced. */
export interface TracePlan {
  readonly global: TraceSampler;
  /** models with settings of their own */
  readonly models: readonly { readonly name: string; readonly sampler: TraceSampler }[];
  /** a request with a W3C `traceparent` is traced whatever the samplers say */
  readonly takesContext: boolean;
}

/** A copy of one tensor at one place of its way. */
export interface TracedTensor {
  readonly activity: 'TENSOR_QUEUE_INPUT' | 'TENSOR_BACKEND_OUTPUT';
  readonly name: string;
  readonly datatype: DataType;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** What one traced request left. Times in nanoseconds of the steady clock. */
export interface TraceRecord {
  /** unique in the life of the process, from 1 */
  readonly id: number;
  /** of a step, the record of its ensemble; 0 for others. What belongs together comes together, the youngest first. */
  readonly parentId: number;
  readonly sampler: number;
  readonly protocol: 'http' | 'grpc';
  readonly model: string;
  readonly version: number;
  readonly requestId: string;
  /** W3C `traceparent` as it came, or empty */
  readonly traceParent: string;
  readonly timestamps: boolean;
  readonly failed: boolean;
  /** tensors were left out because the record was full */
  readonly cut: boolean;
  /** to be added for nanoseconds since the epoch */
  readonly wallOffsetNs: bigint;
  readonly stamps: readonly { readonly name: string; readonly ns: bigint }[];
  readonly tensors: readonly TracedTensor[];
}
