// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from 'node:fs';
import { REGION } from './region.ts';
import type { Scenario } from './scenario.ts';

/** One request ready to be sent many times, and what a right answer holds. */
export interface Payload {
  readonly path: string;
  /** Sent with the request; names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly modelName: string;
  readonly inputName: string;
  readonly outputName: string;
  readonly outputShape: readonly number[];
  /** The input's elements, also where they are not in the body. */
  readonly input: Float32Array;
  readonly expected: Float32Array;
  /** Largest allowed |got − expected|; 0 means the same bits. */
  readonly tolerance: number;
}

interface Tensor {
  readonly input: Float32Array;
  readonly expected: Float32Array;
}

/** Encodes the scenario's one request. The tensor is the same at every call. */
export function makePayload(scenario: Scenario): Payload {
  const isMlp = scenario.model === 'mlp';
  const { input, expected } = isMlp ? mlpReference() : randomTensor(scenario.shape);
  const common = {
    modelName: scenario.model,
    inputName: isMlp ? 'x' : 'INPUT0',
    outputName: isMlp ? 'y' : 'OUTPUT0',
    outputShape: isMlp ? [1, expected.length] : scenario.shape,
    input,
    expected,
    tolerance: isMlp ? 1e-4 : 0,
  };
  const raw = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
  if (scenario.protocol === 'grpc') {
    const message =
      scenario.sharedMemory === true
        ? regionInferRequest(common, scenario.shape, raw.length)
        : modelInferRequest(common.modelName, common.inputName, scenario.shape, raw);
    return {
      ...common,
      path: `/inference.GRPCInferenceService/${scenario.responses === undefined ? 'ModelInfer' : 'ModelStreamInfer'}`,
      headers: { 'content-type': 'application/grpc', te: 'trailers' },
      body: grpcFrame(message),
    };
  }
  const path = `/v2/models/${common.modelName}/infer`;
  const head = { name: common.inputName, shape: scenario.shape, datatype: 'FP32' };
  if (scenario.protocol === 'http-json') {
    // The shortest text that gives back the same FP32, as clients print it.
    const data = `[${Array.from(input, shortestFloat32).join(',')}]`;
    const text = JSON.stringify({ inputs: [{ ...head, data: 0 }] }).replace(
      '"data":0',
      `"data":${data}`,
    );
    return {
      ...common,
      path,
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(text),
    };
  }
  const json = JSON.stringify({
    inputs: [{ ...head, parameters: { binary_data_size: raw.length } }],
    outputs: [{ name: common.outputName, parameters: { binary_data: true } }],
  });
  return {
    ...common,
    path,
    headers: {
      'content-type': 'application/octet-stream',
      'inference-header-content-length': String(Buffer.byteLength(json)),
    },
    body: Buffer.concat([Buffer.from(json), raw]),
  };
}

/** The answer that a floor gives: what a server would have said. */
export function cannedAnswer(
  scenario: Scenario,
  payload: Payload,
): { body: Buffer; headers: string } {
  const { modelName, outputName, outputShape, expected } = payload;
  const raw = Buffer.from(expected.buffer, expected.byteOffset, expected.byteLength);
  if (scenario.protocol === 'grpc') {
    const message = modelInferResponse(modelName, outputName, outputShape, raw);
    const { responses } = scenario;
    const body =
      responses === undefined
        ? grpcFrame(message)
        : Buffer.concat(Array<Buffer>(responses).fill(grpcFrame(field(2, message))));
    return { body, headers: '' };
  }
  const output = { name: outputName, datatype: 'FP32', shape: outputShape };
  const answer = { model_name: modelName, model_version: '1' };
  if (scenario.protocol === 'http-json') {
    const text = JSON.stringify({
      ...answer,
      outputs: [{ ...output, data: Array.from(expected) }],
    });
    return { body: Buffer.from(text), headers: 'Content-Type: application/json' };
  }
  const parameters = { binary_data_size: raw.length };
  const json = Buffer.from(JSON.stringify({ ...answer, outputs: [{ ...output, parameters }] }));
  return {
    body: Buffer.concat([json, raw]),
    headers: `Content-Type: application/octet-stream\nInference-Header-Content-Length: ${json.length}`,
  };
}

function randomTensor(shape: readonly number[]): Tensor {
  const input = new Float32Array(shape.reduce((product, dim) => product * dim, 1));
  let state = 20;
  for (let i = 0; i < input.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    input[i] = state / 2 ** 31 - 1;
  }
  return { input, expected: input };
}

function mlpReference(): Tensor {
  const text = readFileSync(new URL('./models/mlp/reference.csv', import.meta.url), 'utf8');
  const [input = [], output = []] = text.split('\n').map((line) => line.split(',').map(Number));
  return { input: Float32Array.from(input), expected: Float32Array.from(output) };
}

function shortestFloat32(value: number): string {
  for (let digits = 1; digits < 9; digits++) {
    const text = value.toPrecision(digits);
    if (Math.fround(Number(text)) === value) return String(Number(text));
  }
  return String(Number(value.toPrecision(9)));
}

// The few lines of protobuf that ModelInfer needs. Field numbers: the KServe v2 inference protocol.

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return Buffer.from([...bytes, left]);
    bytes.push((left % 128) + 128);
  }
}

function field(number: number, content: Buffer | string): Buffer {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
}

function tensorHead(name: string, shape: readonly number[]): Buffer {
  const dims = Buffer.concat(shape.map(varint));
  return Buffer.concat([field(1, name), field(2, 'FP32'), field(3, dims)]);
}

function modelInferRequest(
  model: string,
  input: string,
  shape: readonly number[],
  raw: Buffer,
): Buffer {
  return Buffer.concat([field(1, model), field(5, tensorHead(input, shape)), field(7, raw)]);
}

/** Both tensors in the region, the output behind the input. */
function regionInferRequest(
  names: { readonly modelName: string; readonly inputName: string; readonly outputName: string },
  shape: readonly number[],
  tensorBytes: number,
): Buffer {
  const input = [tensorHead(names.inputName, shape), regionParameters(4, 0, tensorBytes)];
  const output = [field(1, names.outputName), regionParameters(2, tensorBytes, tensorBytes)];
  return Buffer.concat([
    field(1, names.modelName),
    field(5, Buffer.concat(input)),
    field(6, Buffer.concat(output)),
  ]);
}

/** Entries of a tensor's map of parameters, which is its field `number`. */
function regionParameters(number: number, offset: number, byteSize: number): Buffer {
  const entry = (name: string, value: Buffer) =>
    field(number, Buffer.concat([field(1, name), field(2, value)]));
  const integer = (value: number) => Buffer.concat([varint(2 * 8), varint(value)]);
  return Buffer.concat([
    entry('shared_memory_region', field(3, REGION)),
    entry('shared_memory_offset', integer(offset)),
    entry('shared_memory_byte_size', integer(byteSize)),
  ]);
}

function modelInferResponse(
  model: string,
  output: string,
  shape: readonly number[],
  raw: Buffer,
): Buffer {
  const head = Buffer.concat([field(1, model), field(2, '1')]);
  return Buffer.concat([head, field(5, tensorHead(output, shape)), field(6, raw)]);
}

function grpcFrame(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
