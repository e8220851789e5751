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
import { type InferRequest, MAX_DIMENSIONS, MAX_TENSORS, tooMany } from './request.ts';

/**
 * Reads a decoded `ModelInferRequest`: parameters, inputs, their data, outputs, in the order in which Triton finds
 * errors.
 * @throws ServeError InvalidArgument, Unimplemented; Triton's words
 */
export function readGrpcRequest(message: InferRequestMessage): InferRequest {
  const parameters = readGrpcParameters(message.parameters);
  if (message.inputs.length > MAX_TENSORS) throw tooMany('inputs', MAX_TENSORS);
  for (const input of message.inputs) checkInput(input, message.model_name);
  const inputs = message.inputs.map((input, index) => ({
    name: input.name,
    datatype: asDataType(input.datatype),
    shape: input.shape.map(BigInt),
    data: readData(message, input, index),
  }));
  if (message.outputs.length > MAX_TENSORS) throw tooMany('outputs', MAX_TENSORS);
  const outputs = message.outputs.map((output) => ({
    name: output.name,
    binary: true,
    classification: readOutputParameters(output),
  }));
  return { id: message.id, inputs, outputs, binaryByDefault: true, ...parameters };
}

function checkInput(input: InferInputMessage, model: string): void {
  if (input.shape.length > MAX_DIMENSIONS) {
    throw invalidArgument(
      `input '${input.name}' for model '${model}' has more than ${MAX_DIMENSIONS} dimensions`,
    );
  }
  checkTensorParameters(input);
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
