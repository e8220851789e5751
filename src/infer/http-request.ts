// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ModelPlan } from '../addon/model-plan.ts';
import { invalidArgument, type ServeError } from '../base/status.ts';
import { asDataType } from './elements.ts';
import { readRequestParameters } from './http-parameters.ts';
import { readTensorData } from './http-tensor.ts';
import { asBoolean, asList, asString, asUnsigned, isObject, memberOf } from './json-access.ts';
import { type Frame, type JsonObject, type JsonValue, readJson } from './json-reader.ts';
import { readRawRequest } from './raw-request.ts';
import {
  type InferRequest,
  type InputTensor,
  MAX_DIMENSIONS,
  MAX_TENSORS,
  tooMany,
  type WantedOutput,
} from './request.ts';
import { type OpenRegion, type RegionRange, readRegion } from './shared-memory.ts';
import { jsonTooLarge, sharedMemoryDisabled } from './wire-errors.ts';

const PARAMETERS: Frame = { members: new Map() };
const TENSORS: Frame = { elements: { members: new Map([['parameters', PARAMETERS]]) } };
/** What a request is made of. */
const REQUEST: Frame = {
  members: new Map([
    ['parameters', PARAMETERS],
    ['inputs', TENSORS],
    ['outputs', TENSORS],
  ]),
};

const EMPTY: JsonObject = new Map();
const INT32_MAX = 2n ** 31n - 1n;

/**
 * Reads the body of `POST …/infer`: JSON, JSON with a binary tail, or one raw tensor.
 * @param jsonLength value of Inference-Header-Content-Length; undefined = the whole body is JSON
 * @param maxJsonBytes limit of the JSON part, of each tensor given as JSON and of a raw tensor
 * @param real16Json FP16 and BF16 may be numbers
 * @param openRegion absent = shared memory of clients is switched off
 * @throws ServeError InvalidArgument, Unimplemented; Triton's words
 */
export function readHttpRequest(
  body: Uint8Array,
  jsonLength: string | undefined,
  plan: ModelPlan,
  maxJsonBytes: number,
  real16Json = false,
  openRegion?: OpenRegion,
): InferRequest {
  const jsonBytes = parseJsonLength(jsonLength, body.length);
  // No JSON at all, said so or not, is a raw tensor, be it an empty one.
  if (jsonBytes === 0) return readRawRequest(body, plan, maxJsonBytes);
  if (jsonBytes > maxJsonBytes) throw jsonTooLarge(jsonBytes, maxJsonBytes);
  const root = readJson(body.subarray(0, jsonBytes), REQUEST);
  const request = isObject(root) ? root : EMPTY;
  const id = request.has('id') ? asString(memberOf(request, 'id'), 'id') : '';
  const parameters = readRequestParameters(request.get('parameters'));
  const tail = new BinaryTail(body.subarray(jsonBytes), plan.name);
  const inputs: InputTensor[] = [];
  for (const value of asList(memberOf(request, 'inputs'), 'inputs')) {
    if (inputs.length === MAX_TENSORS) throw tooMany('inputs', MAX_TENSORS);
    inputs.push(readInput(value, tail, maxJsonBytes, real16Json, openRegion));
  }
  tail.checkEmpty();
  const outputs = request.has('outputs') ? readOutputs(request, openRegion) : [];
  return { id, inputs, outputs, ...parameters };
}

// Read as C's strtoll does: a number in front counts, whatever follows it; no number is 0.
function parseJsonLength(text: string | undefined, bodyLength: number): number {
  if (text === undefined) return bodyLength;
  const length = BigInt(/^[ \t]*\+?(-?\d+)/.exec(text)?.[1] ?? '0');
  if (length >= 0n && length <= BigInt(bodyLength)) return Number(length);
  throw invalidArgument(
    `inference header size should be in range (0, ${bodyLength}), got: ${text}`,
  );
}

/** Bytes behind the JSON part, which inputs take in their order. */
class BinaryTail {
  #left: Uint8Array;
  readonly #model: string;

  constructor(bytes: Uint8Array, model: string) {
    this.#left = bytes;
    this.#model = model;
  }

  take(size: bigint, input: string): Uint8Array {
    const missing = size - BigInt(this.#left.length);
    if (missing > 0n) {
      throw invalidArgument(
        `unexpected size for input '${input}', expecting ${missing} additional bytes for model '${this.#model}'`,
      );
    }
    const taken = this.#left.subarray(0, Number(size));
    this.#left = this.#left.subarray(Number(size));
    return taken;
  }

  checkEmpty(): void {
    if (this.#left.length === 0) return;
    throw invalidArgument(`unexpected additional input data for model '${this.#model}'`);
  }
}

const parametersOf = (tensor: JsonObject): JsonObject => {
  const parameters = tensor.get('parameters');
  return isObject(parameters) ? parameters : EMPTY;
};

function readInput(
  value: JsonValue,
  tail: BinaryTail,
  maxJsonBytes: number,
  real16Json: boolean,
  openRegion: OpenRegion | undefined,
): InputTensor {
  const members = isObject(value) ? value : EMPTY;
  const parameters = parametersOf(members);
  checkSources(members, parameters);
  const name = asString(memberOf(members, 'name'), 'name');
  const datatype = asDataType(asString(memberOf(members, 'datatype'), 'datatype'));
  const shape = readShape(memberOf(members, 'shape'));
  if (datatype === undefined) throw invalidArgument(`invalid datatype for input ${name}`);
  const size = parameters.get('binary_data_size');
  if (size !== undefined) {
    const data = tail.take(asUnsigned(size, 'binary_data_size'), name);
    return { name, datatype, shape, data };
  }
  const range = readRange(parameters);
  if (range !== undefined) {
    if (openRegion === undefined) throw sharedMemoryDisabled();
    return { name, datatype, shape, data: readRegion(openRegion, range) };
  }
  const list = memberOf(members, 'data');
  const data = readTensorData(list, datatype, shape, name, maxJsonBytes, real16Json);
  return { name, datatype, shape, data };
}

/** Offset and size are read, and refused, where no region is named too. */
function readRange(parameters: JsonObject): RegionRange | undefined {
  const number = (key: string): bigint =>
    parameters.has(key) ? asUnsigned(memberOf(parameters, key), key) : 0n;
  const region = parameters.get('shared_memory_region');
  const name = region === undefined ? undefined : asString(region, 'shared_memory_region');
  const offset = number('shared_memory_offset');
  const byteSize = number('shared_memory_byte_size');
  return name === undefined ? undefined : { name, offset, byteSize };
}

function checkSources(members: JsonObject, parameters: JsonObject): void {
  const given = [
    members.has('data') ? " 'data'" : '',
    parameters.has('binary_data_size') ? " 'binary_data_size'" : '',
    parameters.has('shared_memory_region') ? " 'shared_memory_region'" : '',
  ].filter((one) => one !== '');
  if (given.length === 1) return;
  const found = given.length === 0 ? ' But no field is set' : ` But set${given.join('')}`;
  throw invalidArgument(
    "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', " +
      `'shared_memory_region' in 'parameters'.${found}`,
  );
}

function readShape(value: JsonValue): readonly bigint[] {
  const shape = asList(value, 'shape').map((dim) => BigInt.asIntN(64, asUnsigned(dim, 'shape')));
  if (shape.length <= MAX_DIMENSIONS) return shape;
  throw invalidArgument(`Unable to parse 'shape': more than ${MAX_DIMENSIONS} dimensions`);
}

function readOutputs(
  request: JsonObject,
  openRegion: OpenRegion | undefined,
): readonly WantedOutput[] {
  const outputs = asList(memberOf(request, 'outputs'), 'outputs');
  return outputs.map((value, index) => {
    const output = readOutput(isObject(value) ? value : EMPTY, openRegion);
    if (index === MAX_TENSORS) throw tooMany('outputs', MAX_TENSORS);
    return output;
  });
}

function readOutput(members: JsonObject, openRegion: OpenRegion | undefined): WantedOutput {
  const name = asString(memberOf(members, 'name'), 'name');
  const parameters = parametersOf(members);
  const hasRegion = parameters.has('shared_memory_region');
  const hasClasses = parameters.has('classification');
  if (hasRegion && hasClasses) throw notWithRegion('classification');
  const classes = hasClasses
    ? asUnsigned(memberOf(parameters, 'classification'), 'classification', 'set')
    : 0n;
  const binary =
    parameters.has('binary_data') && asBoolean(memberOf(parameters, 'binary_data'), 'binary_data');
  if (hasRegion && binary) throw notWithRegion('binary_data');
  const classification = Number(classes < INT32_MAX ? classes : INT32_MAX);
  const range = readRange(parameters);
  if (range === undefined) return { name, binary, classification };
  if (openRegion === undefined) throw sharedMemoryDisabled();
  return { name, binary, classification, place: openRegion(range) };
}

const notWithRegion = (other: string): ServeError =>
  invalidArgument(`Output can't set both 'shared_memory_region' and '${other}'`);
