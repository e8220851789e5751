// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { BatchInputPlan } from '../addon/model-plan.ts';
import { invalidArgument } from '../base/status.ts';
import type { BatchInput, ModelConfig, ModelOutput } from '../config/model-config.ts';

const KINDS: Readonly<Record<BatchInput['kind'], BatchInputPlan['kind']>> = {
  BATCH_ELEMENT_COUNT: 'elementCount',
  BATCH_ACCUMULATED_ELEMENT_COUNT: 'accumulatedElementCount',
  BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO: 'accumulatedElementCountWithZero',
  BATCH_MAX_ELEMENT_COUNT_AS_SHAPE: 'maxElementCountAsShape',
  BATCH_ITEM_SHAPE: 'itemShape',
  BATCH_ITEM_SHAPE_FLATTEN: 'itemShapeFlatten',
};

/**
 * Tensors that are made from the batch, one for each target.
 * @throws ServeError InvalidArgument for a kind that needs rows, of a model without
 */
export function batchInputs(config: ModelConfig): BatchInputPlan[] {
  return config.batch_input.flatMap(({ kind, target_name, data_type, source_input }) => {
    if (kind.startsWith('BATCH_ITEM_SHAPE') && config.max_batch_size === 0)
      throw invalidArgument(
        `batch input kind '${kind}' of model '${config.name}' needs a batch dimension: expected max_batch_size > 0`,
      );
    const source = inputIndex(config, source_input[0]);
    return target_name.map((name) => ({
      kind: KINDS[kind],
      name,
      datatype: data_type === 'TYPE_FP32' ? ('FP32' as const) : ('INT32' as const),
      source,
    }));
  });
}

/**
 * The input whose shapes say how an output is split; undefined = by rows.
 * @throws ServeError InvalidArgument when the output has a free dimension that the input does not have at all
 */
export function scatteredBy(config: ModelConfig, output: ModelOutput): number | undefined {
  const found = config.batch_output.find(({ target_name }) => target_name.includes(output.name));
  if (found === undefined) return undefined;
  const index = inputIndex(config, found.source_input[0]);
  const rank = config.input[index]?.dims.length ?? 0;
  if (output.dims.lastIndexOf(-1n) >= rank)
    throw invalidArgument(
      `output '${output.name}' of model '${config.name}' has a free dimension that its source input ` +
        `'${found.source_input[0]}' does not have`,
    );
  return index;
}

/** Validated before: it is there. */
function inputIndex(config: ModelConfig, name: string | undefined): number {
  return Math.max(
    0,
    config.input.findIndex((input) => input.name === name),
  );
}
