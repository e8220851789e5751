// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { InspectedTensor } from '../addon/types.ts';
import type { ConfigDataType, ModelInput, ModelOutput } from '../config/model-config.ts';

/** `[batch, 3, 224, 224]`: the shape a request has. `-1` is a dimension of any size. */
function labelledShape(dims: readonly (bigint | number)[], batches: boolean): string {
  return `[${[...(batches ? ['batch'] : []), ...dims].join(', ')}]`;
}

/** `input 'image' FP32 [batch, 3, 224, 224]`, as a configuration has it. */
export function configTensor(
  kind: 'input' | 'output',
  tensor: ModelInput | ModelOutput,
  batches: boolean,
): string {
  const shape = labelledShape(tensor.dims, batches);
  const reshaped = tensor.reshape
    ? `, given to the model as ${labelledShape(tensor.reshape.shape, batches)}`
    : '';
  return `${kind} '${tensor.name}' ${typeName(tensor.data_type)} ${shape}${reshaped}`;
}

/** The same of a tensor of the model file; its free first dimension is the batch where the model is to batch. */
export function fileTensor(
  kind: 'input' | 'output',
  { name, datatype, shape }: InspectedTensor,
  batches: boolean,
): string {
  const isBatch = batches && shape[0] === -1;
  const text = labelledShape(isBatch ? shape.slice(1) : shape, isBatch);
  const fixed = batches && !isBatch ? ', no free first dimension: it cannot batch' : '';
  return `${kind} '${name}' ${datatype} ${text}${fixed}`;
}

function typeName(type: ConfigDataType): string {
  if (type === 'TYPE_INVALID') return '(no type)';
  return type === 'TYPE_STRING' ? 'BYTES' : type.slice('TYPE_'.length);
}
