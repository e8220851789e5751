// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addonError, FakeEngine } from '../../test/support/fake-engine.ts';
import { makePlan, tensorPlan } from '../../test/support/infer-plan.ts';
import type { TensorValue } from '../addon/infer-call.ts';
import { ServeError } from '../base/status.ts';
import { decodeMessage, encodeMessage } from '../grpc/codec.ts';
import type { InferRequestMessage } from './grpc-messages.ts';
import { readGrpcRequest } from './grpc-request.ts';
import { readHttpRequest } from './http-request.ts';
import { writeHttpResponse } from './http-response.ts';
import type { InferRequest } from './request.ts';
import { attempt, type OpenRegion, placeOutputs } from './shared-memory.ts';

/** Regions `in` with 1, 2, 3 … and `out` with zeros, 16 bytes each. */
class Fixture {
  readonly engine = new FakeEngine();
  readonly open: OpenRegion = ({ name, offset, byteSize }) =>
    attempt(() => this.engine.openRegion(name, offset, byteSize));

  constructor() {
    for (const name of ['in', 'out']) {
      this.engine.registerSystemRegion({ name, key: '/k', offset: 0n, byteSize: 16n });
    }
    this.bytes('in').forEach((_, i, bytes) => {
      bytes[i] = i + 1;
    });
  }

  bytes(name: string): Uint8Array {
    const bytes = this.engine.regionBytes.get(name);
    assert.ok(bytes);
    return bytes;
  }

  http(input: object, output?: object): InferRequest {
    const tensor = { name: 'IN', datatype: 'INT8', shape: [4], parameters: input };
    const outputs = output === undefined ? {} : { outputs: [{ name: 'IN', parameters: output }] };
    const body = Buffer.from(JSON.stringify({ inputs: [tensor], ...outputs }));
    const plan = makePlan({ inputs: [tensorPlan('IN', 'INT8', [-1])] });
    return readHttpRequest(body, undefined, plan, 1000, false, this.open);
  }

  grpc(inputs: readonly object[], raw: readonly string[], output: object = {}): InferRequest {
    const message = encodeMessage('ModelInferRequest', {
      model_name: 'm',
      inputs: inputs.map((parameters, i) => ({
        name: `I${i}`,
        datatype: 'INT8',
        shape: [4n],
        parameters,
      })),
      outputs: [{ name: 'O', parameters: output }],
      raw_input_contents: raw.map((text) => Buffer.from(text)),
    });
    const decoded = decodeMessage('ModelInferRequest', message) as unknown;
    return readGrpcRequest(decoded as InferRequestMessage, this.open);
  }
}

const range = (region: string, size: number, offset = 0) => ({
  shared_memory_region: region,
  shared_memory_byte_size: size,
  shared_memory_offset: offset,
});
const grpcRange = (region: string, size: number, offset = 0) => ({
  shared_memory_region: { string_param: region },
  shared_memory_byte_size: { int64_param: BigInt(size) },
  shared_memory_offset: { int64_param: BigInt(offset) },
});
const output = (data: readonly number[], name = 'IN'): TensorValue => ({
  name,
  datatype: 'INT8',
  shape: [data.length],
  data: Uint8Array.from(data),
});

describe('shared memory in the TypeScript infer path', () => {
  it('reads inputs from regions, over both protocols', () => {
    const fixture = new Fixture();
    const http = fixture.http(range('in', 4, 2));
    const grpc = fixture.grpc([grpcRange('in', 4, 2)], []);
    fixture.bytes('in').fill(0);
    assert.deepEqual([...(http.inputs[0]?.data ?? [])], [3, 4, 5, 6]);
    assert.deepEqual([...(grpc.inputs[0]?.data ?? [])], [3, 4, 5, 6]);
  });

  it('gives raw contents to the inputs that are in no region', () => {
    const { inputs } = new Fixture().grpc([{}, grpcRange('in', 4), {}], ['abcd', 'efgh', 'more']);
    assert.deepEqual(
      inputs.map(({ data }) => [...data]),
      [[...Buffer.from('abcd')], [1, 2, 3, 4], [...Buffer.from('efgh')]],
    );
  });

  it('writes outputs to their places and says nothing of their data', () => {
    const fixture = new Fixture();
    const request = fixture.http(range('in', 4), range('out', 8, 4));
    const outputs = placeOutputs([output([7, 8, 9])], request);
    assert.deepEqual([...fixture.bytes('out')].slice(0, 8), [0, 0, 0, 0, 7, 8, 9, 0]);
    const { body } = writeHttpResponse({ modelName: 'm', modelVersion: '1', outputs }, request);
    assert.equal(
      String(body),
      '{"model_name":"m","model_version":"1","outputs":[{"name":"IN","datatype":"INT8","shape":[3]}]}',
    );
  });

  it('says both sizes of a place that is too small, and writes nothing there', () => {
    const fixture = new Fixture();
    const request = fixture.http(range('in', 4), range('out', 2));
    assert.throws(() => placeOutputs([output([7, 8, 9])], request), {
      code: 'Internal',
      message:
        "shared memory size specified with the request for output 'IN' (2 bytes) should be at " +
        'least 3 bytes to hold the results',
    });
    assert.deepEqual([...fixture.bytes('out')].slice(0, 3), [0, 0, 0]);
  });

  it('passes on what opening, reading and writing say', () => {
    const fixture = new Fixture();
    const missing = { code: 'NotFound', message: "Unable to find shared memory region: 'x'" };
    assert.throws(() => fixture.http(range('x', 4)), missing);
    assert.throws(() => fixture.http(range('in', 4), range('x', 4)), missing);
    assert.throws(() => fixture.grpc([grpcRange('x', 4)], []), missing);
    const lost = () => {
      throw addonError(3, 'taken away');
    };
    const place = { byteSize: 8, read: lost, write: lost };
    const request = { ...fixture.http(range('in', 4), range('out', 8)) };
    const wanted = request.outputs.map((one) => ({ ...one, place }));
    assert.throws(
      () => placeOutputs([output([1])], { ...request, outputs: wanted }),
      (error) => error instanceof ServeError && error.message === 'taken away',
    );
  });

  it('refuses a size that is missing or of the wrong type', () => {
    const fixture = new Fixture();
    const { shared_memory_byte_size: _, ...noSize } = grpcRange('in', 4);
    assert.throws(() => fixture.grpc([noSize], []), {
      message:
        "'shared_memory_byte_size' must be specified along with 'shared_memory_region' parameter for tensor 'I0'",
    });
    const text = { ...grpcRange('in', 4), shared_memory_offset: { string_param: '1' } };
    assert.throws(() => fixture.grpc([text], []), {
      message:
        "invalid value type for 'shared_memory_offset' parameter for tensor 'I0', expected int64_param.",
    });
    assert.throws(() => fixture.http({ ...range('in', 4), shared_memory_offset: -1 }), {
      message:
        "Unable to parse 'shared_memory_offset': attempt to access JSON non-unsigned-integer as unsigned-integer",
    });
    const both = { ...grpcRange('out', 4), classification: { int64_param: 1n } };
    assert.throws(() => fixture.grpc([grpcRange('in', 4)], [], both), {
      message: "output can't set both 'shared_memory_region' and 'classification'",
    });
  });
});
