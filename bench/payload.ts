// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { classesOf } from './classes.ts';
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
  /** Elements of an FP32 output, or of a BYTES one. */
  readonly expected: Float32Array | readonly string[];
  /** Largest allowed |got − expected|; 0 means the same bits. */
  readonly tolerance: number;
}

interface Tensor {
  readonly input: Float32Array;
  readonly expected: Float32Array | readonly string[];
}

/** Encodes the scenario's one request. The tensor is the same at every call. */
export function makePayload(scenario: Scenario): Payload {
  const isMlp = scenario.model === 'mlp';
  const { input, expected } = isMlp ? mlpReference() : randomTensor(scenario);
  const common = {
    modelName: scenario.model,
    inputName: isMlp ? 'x' : 'INPUT0',
    outputName: isMlp ? 'y' : 'OUTPUT0',
    outputShape:
      scenario.model === 'identity' || scenario.model === 'stream'
        ? scenario.shape
        : [1, expected.length],
    input,
    expected,
    tolerance: isMlp ? 1e-4 : 0,
  };
  const raw = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
  if (scenario.protocol === 'grpc') {
    const message =
      scenario.sharedMemory === true
        ? regionInferRequest(common, scenario.shape, raw.length)
        : modelInferRequest(common, scenario, raw);
    const coding = { 'grpc-encoding': 'gzip', 'grpc-accept-encoding': 'identity,gzip' };
    return {
      ...common,
      path: `/inference.GRPCInferenceService/${scenario.responses === undefined ? 'ModelInfer' : 'ModelStreamInfer'}`,
      headers: {
        'content-type': 'application/grpc',
        te: 'trailers',
        ...(scenario.gzip === true ? coding : {}),
      },
      body: grpcFrame(message, scenario.gzip),
    };
  }
  const { headers, body } = httpInferRequest(common, scenario, raw);
  const coding = { 'content-encoding': 'gzip', 'accept-encoding': 'gzip' };
  return {
    ...common,
    path: `/v2/models/${common.modelName}/infer`,
    headers: { ...headers, ...(scenario.gzip === true ? coding : {}) },
    body: scenario.gzip === true ? gzipSync(body) : body,
  };
}

interface Names {
  readonly modelName: string;
  readonly inputName: string;
  readonly outputName: string;
}

function httpInferRequest(
  { inputName, outputName, input }: Names & Pick<Payload, 'input'>,
  { protocol, shape, classes }: Scenario,
  raw: Buffer,
): Pick<Payload, 'headers' | 'body'> {
  const head = { name: inputName, shape, datatype: 'FP32' };
  if (protocol === 'http-json') {
    // The shortest text that gives back the same FP32, as clients print it.
    const data = `[${Array.from(input, shortestFloat32).join(',')}]`;
    const text = JSON.stringify({ inputs: [{ ...head, data: 0 }] }).replace(
      '"data":0',
      `"data":${data}`,
    );
    return { headers: { 'content-type': 'application/json' }, body: Buffer.from(text) };
  }
  const parameters = classes === undefined ? { binary_data: true } : { classification: classes };
  const json = JSON.stringify({
    inputs: [{ ...head, parameters: { binary_data_size: raw.length } }],
    outputs: [{ name: outputName, parameters }],
  });
  return {
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
  const datatype = datatypeOf(payload);
  const raw = rawBytes(expected);
  if (scenario.protocol === 'grpc') {
    const message = modelInferResponse(
      modelName,
      tensorHead(outputName, outputShape, datatype),
      raw,
    );
    const { responses, gzip = false } = scenario;
    const body =
      responses === undefined
        ? grpcFrame(message, gzip)
        : Buffer.concat(Array<Buffer>(responses).fill(grpcFrame(field(2, message))));
    return { body, headers: gzip ? 'grpc-encoding: gzip' : '' };
  }
  const output = { name: outputName, datatype, shape: outputShape };
  const answer = { model_name: modelName, model_version: '1' };
  if (scenario.protocol === 'http-json' || scenario.classes !== undefined) {
    const outputs = [{ ...output, data: Array.from<number | string>(expected) }];
    const text = Buffer.from(JSON.stringify({ ...answer, outputs }));
    const headers = 'Content-Type: application/json';
    if (scenario.gzip !== true) return { body: text, headers };
    return { body: gzipSync(text), headers: `${headers}\nContent-Encoding: gzip` };
  }
  const parameters = { binary_data_size: raw.length };
  const json = Buffer.from(JSON.stringify({ ...answer, outputs: [{ ...output, parameters }] }));
  return {
    body: Buffer.concat([json, raw]),
    headers: `Content-Type: application/octet-stream\nInference-Header-Content-Length: ${json.length}`,
  };
}

/** What the output's datatype is. */
export function datatypeOf({ expected }: Payload): 'FP32' | 'BYTES' {
  return expected instanceof Float32Array ? 'FP32' : 'BYTES';
}

function rawBytes(values: Float32Array | readonly string[]): Buffer {
  if (values instanceof Float32Array) {
    return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  }
  return Buffer.concat(
    values.flatMap((text) => {
      const size = Buffer.alloc(4);
      size.writeUInt32LE(Buffer.byteLength(text));
      return [size, Buffer.from(text)];
    }),
  );
}

function randomTensor({ shape, classes, gzip = false }: Scenario): Tensor {
  const input = new Float32Array(shape.reduce((product, dim) => product * dim, 1));
  let state = 20;
  for (let i = 0; i < input.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const value = state / 2 ** 31 - 1;
    // Steps as of a sensor or an image, since noise cannot be compressed.
    input[i] = gzip ? Math.round(value * 256) / 256 : value;
  }
  return { input, expected: classes === undefined ? input : classesOf(input, classes) };
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

function tensorHead(name: string, shape: readonly number[], datatype = 'FP32'): Buffer {
  const dims = Buffer.concat(shape.map(varint));
  return Buffer.concat([field(1, name), field(2, datatype), field(3, dims)]);
}

function modelInferRequest(
  { modelName, inputName, outputName }: Names,
  { shape, classes }: Scenario,
  raw: Buffer,
): Buffer {
  const wanted =
    classes === undefined
      ? []
      : [
          field(
            6,
            Buffer.concat([field(1, outputName), integerEntry(2, 'classification', classes)]),
          ),
        ];
  return Buffer.concat([
    field(1, modelName),
    field(5, tensorHead(inputName, shape)),
    ...wanted,
    field(7, raw),
  ]);
}

/** Both tensors in the region, the output behind the input. */
function regionInferRequest(names: Names, shape: readonly number[], tensorBytes: number): Buffer {
  const input = [tensorHead(names.inputName, shape), regionParameters(4, 0, tensorBytes)];
  const output = [field(1, names.outputName), regionParameters(2, tensorBytes, tensorBytes)];
  return Buffer.concat([
    field(1, names.modelName),
    field(5, Buffer.concat(input)),
    field(6, Buffer.concat(output)),
  ]);
}

/** An entry of a tensor's map of parameters, which is its field `number`. */
function entry(number: number, name: string, value: Buffer): Buffer {
  return field(number, Buffer.concat([field(1, name), field(2, value)]));
}

function integerEntry(number: number, name: string, value: number): Buffer {
  return entry(number, name, Buffer.concat([varint(2 * 8), varint(value)]));
}

function regionParameters(number: number, offset: number, byteSize: number): Buffer {
  return Buffer.concat([
    entry(number, 'shared_memory_region', field(3, REGION)),
    integerEntry(number, 'shared_memory_offset', offset),
    integerEntry(number, 'shared_memory_byte_size', byteSize),
  ]);
}

function modelInferResponse(model: string, output: Buffer, raw: Buffer): Buffer {
  return Buffer.concat([field(1, model), field(2, '1'), field(5, output), field(6, raw)]);
}

function grpcFrame(message: Buffer, gzip = false): Buffer {
  const content = gzip ? gzipSync(message) : message;
  const head = Buffer.alloc(5);
  head.writeUInt8(gzip ? 1 : 0);
  head.writeUInt32BE(content.length, 1);
  return Buffer.concat([head, content]);
}
