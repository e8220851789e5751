// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { InspectedTensor, ModelInspection } from '../addon/types.ts';
import type { ConfigProblem } from './config-error.ts';
import { defaultMessage } from './defaults.ts';
import type { ConfigDataType, ModelConfig, ModelInput, ModelOutput } from './model-config.ts';

/**
 * Auto-completion from the model file, by the rules of Triton's ONNX Runtime backend:
 * - a configuration that names inputs and outputs is left alone;
 * - the model can batch if the first dimension of every tensor is free; then a missing `max_batch_size` becomes the
 *   server's default and batching is switched on, unless another scheduler is configured;
 * - missing inputs and outputs are taken over, in the model's order, without the batch dimension, but for those that
 *   the sequence batcher makes or keeps.
 * @param defaultMaxBatchSize `--backend-config=default-max-batch-size`
 */
export function autofill(
  config: ModelConfig,
  inspection: ModelInspection,
  defaultMaxBatchSize: number,
): ModelConfig | ConfigProblem {
  const inputs = config.input.length + config.batch_input.length;
  if (inputs > 0 && config.output.length > 0) return config;
  const canBatch = [...inspection.inputs, ...inspection.outputs].every((t) => t.shape[0] === -1);
  if (!canBatch && config.max_batch_size !== 0)
    return {
      path: 'max_batch_size',
      phase: 'load',
      text:
        `autofill failed for model '${config.name}': model does not support batching while non-zero ` +
        'max_batch_size is specified; give 0, or export the model with a free first dimension',
    };
  const maxBatchSize = canBatch
    ? config.max_batch_size || Math.max(defaultMaxBatchSize, 0)
    : config.max_batch_size;
  const batches = maxBatchSize > 0;
  const seen = seenByClients(config, inspection);
  const scheduled =
    config.dynamic_batching ?? config.sequence_batching ?? config.ensemble_scheduling;
  return {
    ...config,
    max_batch_size: maxBatchSize,
    ...(canBatch &&
      maxBatchSize > 1 &&
      !scheduled && { dynamic_batching: defaultMessage('dynamic_batching') }),
    input: inputs === 0 ? seen.inputs.map((t) => toInput(t, batches)) : config.input,
    output:
      config.output.length === 0 ? seen.outputs.map((t) => toOutput(t, batches)) : config.output,
  };
}

/** The model's tensors without controls and states of sequences. */
function seenByClients(config: ModelConfig, { inputs, outputs }: ModelInspection): ModelInspection {
  const { control_input: controls = [], state: states = [] } = config.sequence_batching ?? {};
  const own = new Set([...controls.map((c) => c.name), ...states.map((s) => s.input_name)]);
  const kept = new Set(states.map((s) => s.output_name));
  return {
    inputs: inputs.filter(({ name }) => !own.has(name)),
    outputs: outputs.filter(({ name }) => !kept.has(name)),
  };
}

/** `TYPE_FP32` for `FP32`; the one that differs is `TYPE_STRING` for `BYTES`. */
export function configDataType(datatype: InspectedTensor['datatype']): ConfigDataType {
  return datatype === 'BYTES' ? 'TYPE_STRING' : `TYPE_${datatype}`;
}

function tensor(
  inspected: InspectedTensor,
  batches: boolean,
): Pick<ModelInput, 'name' | 'data_type' | 'dims' | 'reshape'> {
  const dims = inspected.shape.slice(batches ? 1 : 0).map(BigInt);
  // A configuration cannot say "no dimension": one element, which a batching model gets as a plain row.
  const shape =
    dims.length > 0 ? { dims } : { dims: [1n], ...(batches && { reshape: { shape: [] } }) };
  return { name: inspected.name, data_type: configDataType(inspected.datatype), ...shape };
}

function toInput(inspected: InspectedTensor, batches: boolean): ModelInput {
  return {
    format: 'FORMAT_NONE',
    is_shape_tensor: false,
    allow_ragged_batch: false,
    optional: false,
    is_non_linear_format_io: false,
    ...tensor(inspected, batches),
  };
}

function toOutput(inspected: InspectedTensor, batches: boolean): ModelOutput {
  return {
    label_filename: '',
    is_shape_tensor: false,
    is_non_linear_format_io: false,
    ...tensor(inspected, batches),
  };
}
