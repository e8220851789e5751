// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { DataType } from '../../src/addon/data-type.ts';
import type { ModelPlan, TensorPlan } from '../../src/addon/model-plan.ts';

/** A model as tests need it: one INT32 input IN, one output OUT, batches of up to 8. */
export function makePlan(given: Partial<ModelPlan> = {}): ModelPlan {
  return {
    name: 'm',
    version: 1,
    backend: 'identity',
    modelFile: '',
    maxBatchSize: 8,
    inputs: [tensorPlan('IN', 'INT32', [-1])],
    outputs: [tensorPlan('OUT', 'INT32', [-1])],
    queue: {
      maxQueueSize: 0,
      defaultTimeoutUs: 0,
      allowTimeoutOverride: false,
      fullStatus: 'Unavailable',
    },
    instanceCount: 1,
    decoupled: false,
    parameters: {},
    metricTags: {},
    firstResponseBoundsMs: [],
    ...given,
  };
}

export function tensorPlan(
  name: string,
  datatype: DataType,
  dims: readonly number[],
  optional = false,
): TensorPlan {
  return { name, datatype, dims, optional, labels: [] };
}
