// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/** Random tensors of every datatype, out through each form of the wire and back in, bit for bit. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makePlan, tensorPlan } from '../../test/support/infer-plan.ts';
import type { DataType } from '../addon/data-type.ts';
import type { TensorValue } from '../addon/infer-call.ts';
import { decodeMessage, encodeMessage } from '../grpc/codec.ts';
import { elementBytes, putElements, putStrings, takeElements, walkStrings } from './elements.ts';
import type { InferRequestMessage } from './grpc-messages.ts';
import { readGrpcRequest } from './grpc-request.ts';
import { readHttpRequest } from './http-request.ts';
import { writeHttpResponse } from './http-response.ts';
import type { InferRequest } from './request.ts';

const ROUNDS = 40;
const MAX_ELEMENTS = 50;
const MAX_INPUT_BYTES = 1 << 20;

const DATATYPES: readonly DataType[] = [
  'BOOL',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'FP16',
  'FP32',
  'FP64',
  'BYTES',
  'BF16',
];

const CONTENTS: Partial<Record<DataType, string>> = {
  BOOL: 'bool_contents',
  INT8: 'int_contents',
  INT16: 'int_contents',
  INT32: 'int_contents',
  INT64: 'int64_contents',
  UINT8: 'uint_contents',
  UINT16: 'uint_contents',
  UINT32: 'uint_contents',
  UINT64: 'uint64_contents',
  FP32: 'fp32_contents',
  FP64: 'fp64_contents',
  BYTES: 'bytes_contents',
};

/** The same numbers in every run: a failure can be looked into. */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * limit);
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.below(256));
  }

  text(): string {
    const PICKS = ['a', '"', '\\', '\0', '\n', '\u001f', '\u007f', 'ż', '€', '😀', '/'];
    return Array.from({ length: this.below(6) }, () => PICKS[this.below(PICKS.length)]).join('');
  }

  tensor(datatype: DataType): TensorValue {
    const count = this.below(MAX_ELEMENTS);
    const shape = [1, count];
    if (datatype === 'BYTES') {
      const texts = Array.from({ length: count }, () => Buffer.from(this.text()));
      return { name: 'T', datatype, shape, data: putStrings(texts) };
    }
    const bytes = this.bytes(count * elementBytes(datatype));
    if (datatype === 'BOOL') {
      return { name: 'T', datatype, shape, data: bytes.map((byte) => byte % 2) };
    }
    // Of NaNs only one survives JSON; the binary forms are tried with all of them.
    return { name: 'T', datatype, shape, data: bytes };
  }
}

/** The tensor with every NaN as JSON's. */
function canonical(tensor: TensorValue): TensorValue {
  if (tensor.datatype !== 'FP32' && tensor.datatype !== 'FP64') return tensor;
  const elements = takeElements(tensor.datatype, tensor.data).map((one) =>
    Number.isNaN(one) ? Number.NaN : one,
  );
  return { ...tensor, data: putElements(tensor.datatype, elements) };
}

const planOf = (datatype: DataType) =>
  makePlan({
    inputs: [tensorPlan('T', datatype, [-1])],
    outputs: [tensorPlan('T', datatype, [-1])],
  });

function answer(tensor: TensorValue, binary: boolean): { json: string; tail: Uint8Array } {
  const request = { id: '', outputs: [], binaryByDefault: binary } as unknown as InferRequest;
  const result = { modelName: 'm', modelVersion: '1', outputs: [tensor] };
  const { headers, body } = writeHttpResponse(result, request);
  const bytes = Buffer.from(body as Uint8Array);
  const length = headers[3] === undefined ? bytes.length : Number(headers[3]);
  return { json: bytes.toString('utf8', 0, length), tail: bytes.subarray(length) };
}

/** An answer's text is a request's text once `outputs` is called `inputs`. */
function takeBack(tensor: TensorValue, binary: boolean): TensorValue {
  const { json, tail } = answer(tensor, binary);
  const head = Buffer.from(json.replace('"outputs":', '"inputs":'));
  const body = Buffer.concat([head, tail]);
  const plan = planOf(tensor.datatype);
  const { inputs } = readHttpRequest(body, String(head.length), plan, MAX_INPUT_BYTES);
  return backFrom(inputs[0]);
}

function backFrom(input: InferRequest['inputs'][number] | undefined): TensorValue {
  assert.ok(input?.datatype !== undefined);
  return {
    name: input.name,
    datatype: input.datatype,
    shape: input.shape.map(Number),
    data: Uint8Array.from(input.data),
  };
}

function overGrpc(tensor: TensorValue, isTyped: boolean): TensorValue {
  const { name, datatype, shape, data } = tensor;
  const field = CONTENTS[datatype];
  const contents =
    isTyped && field !== undefined ? { contents: { [field]: valuesOf(tensor) } } : {};
  const message = encodeMessage('ModelInferRequest', {
    inputs: [{ name, datatype, shape: shape.map(BigInt), ...contents }],
    raw_input_contents: isTyped ? [] : [data],
  });
  const decoded = decodeMessage('ModelInferRequest', message) as unknown as InferRequestMessage;
  return backFrom(readGrpcRequest(decoded).inputs[0]);
}

// protobufjs takes integers up to 32 bits as numbers.
function valuesOf({ datatype, data }: TensorValue): readonly unknown[] {
  if (datatype === 'BYTES') {
    return [...walkStrings(data)].map((one) => ('bytes' in one ? one.bytes : one));
  }
  const isSmall = elementBytes(datatype) < 8;
  return takeElements(datatype, data).map((one) =>
    typeof one === 'bigint' && isSmall ? Number(one) : one,
  );
}

const plain = (tensor: TensorValue): TensorValue => ({
  ...tensor,
  data: Uint8Array.from(tensor.data),
});

function everyTensor(datatype: DataType, check: (tensor: TensorValue) => void): void {
  const random = new Random(datatype.length * 7919 + datatype.charCodeAt(0));
  for (let round = 0; round < ROUNDS; round += 1) check(random.tensor(datatype));
}

describe('a tensor comes back as it went', () => {
  for (const datatype of DATATYPES) {
    const hasElements = datatype !== 'FP16' && datatype !== 'BF16';
    it(`${datatype} in the binary tail and as raw contents`, () => {
      everyTensor(datatype, (tensor) => {
        assert.deepEqual(takeBack(tensor, true), plain(tensor));
        assert.deepEqual(overGrpc(tensor, false), plain(tensor));
      });
    });
    if (!hasElements) continue;
    it(`${datatype} as JSON and as typed contents`, () => {
      everyTensor(datatype, (tensor) => {
        const expected = plain(canonical(tensor));
        assert.deepEqual(takeBack(tensor, false), expected);
        assert.deepEqual(overGrpc(expected, true), expected);
      });
    });
  }
});
