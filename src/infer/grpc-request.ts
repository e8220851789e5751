// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { invalidArgument } from '../base/status.ts';
import { asDataType } from './elements.ts';
import { hasContents, readContents } from './grpc-contents.ts';
import type {
  InferInputMessage,
  InferOutputMessage,
  InferRequestMessage,
} from './grpc-messages.ts';
import { readClassification, readGrpcParameters, readRange } from './grpc-parameters.ts';
import {
  type InferRequest,
  MAX_DIMENSIONS,
  MAX_TENSORS,
  tooMany,
  type WantedOutput,
} from './request.ts';
import { type OpenRegion, readRegion } from './shared-memory.ts';
import { sharedMemoryDisabled } from './wire-errors.ts';

/**
 * Reads a decoded `ModelInferRequest`: parameters, inputs, their data, outputs, in the order in which Triton finds
 * errors.
 * @param openRegion absent = shared memory of clients is switched off
 * @throws ServeError InvalidArgument, Unimplemented; Triton's words
 */
export function readGrpcRequest(
  message: InferRequestMessage,
  openRegion?: OpenRegion,
): InferRequest {
  const parameters = readGrpcParameters(message.parameters);
  if (message.inputs.length > MAX_TENSORS) throw tooMany('inputs', MAX_TENSORS);
  for (const input of message.inputs) checkInput(input, message.model_name, openRegion);
  // Raw contents belong to the inputs that are not in shared memory.
  const raw = message.raw_input_contents.values();
  const inputs = message.inputs.map((input) => ({
    name: input.name,
    datatype: asDataType(input.datatype),
    shape: input.shape.map(BigInt),
    data: readData(message, input, raw, openRegion),
  }));
  if (message.outputs.length > MAX_TENSORS) throw tooMany('outputs', MAX_TENSORS);
  const outputs = message.outputs.map((output) => readOutput(output, openRegion));
  return { id: message.id, inputs, outputs, binaryByDefault: true, ...parameters };
}

function checkInput(
  input: InferInputMessage,
  model: string,
  openRegion: OpenRegion | undefined,
): void {
  if (input.shape.length > MAX_DIMENSIONS) {
    throw invalidArgument(
      `input '${input.name}' for model '${model}' has more than ${MAX_DIMENSIONS} dimensions`,
    );
  }
  readRange(input, openRegion !== undefined);
}

function readOutput(output: InferOutputMessage, openRegion: OpenRegion | undefined): WantedOutput {
  const classification = readClassification(output);
  const wanted = { name: output.name, binary: true, classification };
  const range = readRange(output, openRegion !== undefined);
  if (range === undefined) return wanted;
  if (openRegion === undefined) throw sharedMemoryDisabled();
  if (classification > 0) {
    throw invalidArgument("output can't set both 'shared_memory_region' and 'classification'");
  }
  return { ...wanted, place: openRegion(range) };
}

function readData(
  { model_name: model, raw_input_contents }: InferRequestMessage,
  input: InferInputMessage,
  raw: Iterator<Uint8Array>,
  openRegion: OpenRegion | undefined,
): Uint8Array {
  const isTyped = hasContents(input);
  const range = readRange(input, openRegion !== undefined);
  if (range !== undefined && openRegion !== undefined) {
    if (!isTyped) return readRegion(openRegion, range);
    throw invalidArgument(
      `unexpected 'content' provided when using shared memory for input tensor '${input.name}' ` +
        `for model '${model}'`,
    );
  }
  if (isTyped && raw_input_contents.length > 0) {
    throw invalidArgument(
      `contents field must not be specified when using raw_input_contents for '${input.name}' ` +
        `for model '${model}'`,
    );
  }
  if (isTyped) return readContents(input, model);
  const data = raw.next();
  if (data.done !== true) return data.value;
  throw invalidArgument(
    `unable to find data for input tensor '${input.name}' for model '${model}' in request.`,
  );
}
