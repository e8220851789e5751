// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { invalidArgument } from '../base/status.ts';
import { asDataType } from './elements.ts';
import { hasContents, readContents } from './grpc-contents.ts';
import type { InferInputMessage, InferRequestMessage } from './grpc-messages.ts';
import {
  checkTensorParameters,
  readGrpcParameters,
  readOutputParameters,
} from './grpc-parameters.ts';
import {
  addInput,
  coreError,
  type InferRequest,
  type InputTensor,
  MAX_DIMENSIONS,
  MAX_TENSORS,
  tooMany,
} from './request.ts';

/**
 * Reads a decoded `ModelInferRequest`: parameters, inputs, their data, outputs, in the order in which Triton finds
 * errors.
 * @throws ServeError InvalidArgument, Unimplemented; Triton's words
 */
export function readGrpcRequest(message: InferRequestMessage): InferRequest {
  const { id, model_name: model } = message;
  const parameters = readGrpcParameters(message.parameters);
  const inputs: InputTensor[] = [];
  for (const input of message.inputs) {
    if (input.shape.length > MAX_DIMENSIONS) {
      throw invalidArgument(
        `input '${input.name}' for model '${model}' has more than ${MAX_DIMENSIONS} dimensions`,
      );
    }
    addInput(inputs, declare(input), id);
  }
  for (const [index, input] of message.inputs.entries()) {
    const target = inputs[index];
    if (target === undefined) throw coreError(id, `input '${input.name}' was lost`);
    checkTensorParameters(input);
    target.data = readData(message, input, index);
  }
  if (message.outputs.length > MAX_TENSORS) throw tooMany('outputs', MAX_TENSORS);
  const outputs = message.outputs.map((output) => ({
    name: output.name,
    binary: true,
    classification: readOutputParameters(output),
  }));
  return { id, inputs, outputs, binaryByDefault: true, ...parameters };
}

function declare({ name, datatype, shape }: InferInputMessage): InputTensor {
  return {
    name,
    datatype: asDataType(datatype),
    shape: shape.map(BigInt),
    data: new Uint8Array(0),
  };
}

function readData(
  { model_name: model, raw_input_contents: raw }: InferRequestMessage,
  input: InferInputMessage,
  index: number,
): Uint8Array {
  const isTyped = hasContents(input);
  if (isTyped && raw.length > 0) {
    throw invalidArgument(
      `contents field must not be specified when using raw_input_contents for '${input.name}' ` +
        `for model '${model}'`,
    );
  }
  if (isTyped) return readContents(input, model);
  const data = raw[index];
  if (data !== undefined) return data;
  throw invalidArgument(
    `unable to find data for input tensor '${input.name}' for model '${model}' in request.`,
  );
}
