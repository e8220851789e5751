// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ModelPlan, TensorPlan } from '../addon/model-plan.ts';
import { elementBytes, putStrings } from './elements.ts';
import { NO_PARAMETERS } from './http-parameters.ts';
import { coreError, elementCount, type InferRequest, type InputTensor } from './request.ts';
import { jsonTooLarge } from './wire-errors.ts';

// A raw request has no id.
const refuse = (text: string) => coreError('', text);

/**
 * Reads a body that is nothing but the one input of the model, batch 1. All outputs come back binary.
 * @throws ServeError InvalidArgument
 */
export function readRawRequest(body: Uint8Array, plan: ModelPlan, maxBytes: number): InferRequest {
  const [input, ...others] = plan.inputs;
  if (input === undefined || others.length > 0) {
    throw refuse(
      `Raw request must only have 1 input (found 1) to be deduced but got ${plan.inputs.length} ` +
        `inputs in '${plan.name}' model configuration`,
    );
  }
  if (body.length > maxBytes) throw jsonTooLarge(body.length, maxBytes);
  const tensor = input.datatype === 'BYTES' ? oneString(body, input) : deduce(body, input, plan);
  const shape = plan.maxBatchSize > 0 ? [1n, ...tensor.shape] : tensor.shape;
  return {
    ...NO_PARAMETERS,
    id: '',
    inputs: [{ name: input.name, datatype: input.datatype, shape, data: tensor.data }],
    outputs: [],
    binaryByDefault: true,
  };
}

type Deduced = Pick<InputTensor, 'shape' | 'data'>;

function oneString(body: Uint8Array, input: TensorPlan): Deduced {
  if (input.dims.length !== 1 || input.dims[0] !== 1) {
    throw refuse(
      `For BYTE datatype raw input '${input.name}', the model must have input shape [1]`,
    );
  }
  return { shape: [1n], data: putStrings([body]) };
}

/** The declared dimensions, the free one as large as the body fills it. */
function deduce(body: Uint8Array, input: TensorPlan, plan: ModelPlan): Deduced {
  const free = input.dims.filter((dim) => dim < 0).length;
  if (free > 1) {
    throw refuse(
      `The shape of the raw input '${input.name}' can not be deduced because there are more than ` +
        'one variable-sized dimension',
    );
  }
  const fixed = input.dims.filter((dim) => dim >= 0).map(BigInt);
  const rowBytes = elementCount(fixed) * BigInt(elementBytes(input.datatype));
  const size = BigInt(body.length);
  const rows = rowBytes === 0n ? 0n : size / rowBytes;
  const shape = input.dims.map((dim) => (dim < 0 ? rows : BigInt(dim)));
  const expected = elementCount(shape) * BigInt(elementBytes(input.datatype));
  if (expected === size) return { shape, data: body };
  throw refuse(
    `input byte size mismatch for input 'raw_input' for model '${plan.name}'. ` +
      `Expected ${expected}, got ${size}`,
  );
}
