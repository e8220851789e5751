// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makePlan, tensorPlan } from '../../test/support/infer-plan.ts';
import type { ModelPlan } from '../addon/model-plan.ts';
import { ServeError } from '../base/status.ts';
import { readHttpRequest } from './http-request.ts';
import type { InferRequest } from './request.ts';

const MAX = 1 << 20;
const IN = { name: 'IN', shape: [1, 2], datatype: 'INT32' };

interface Given {
  readonly length?: string;
  readonly plan?: ModelPlan;
  readonly max?: number;
}

const read = (body: string | Uint8Array, { length, plan, max }: Given = {}): InferRequest =>
  readHttpRequest(Buffer.from(body as string), length, plan ?? makePlan(), max ?? MAX);

function refusal(body: unknown, given?: Given): string {
  try {
    read(
      body instanceof Uint8Array || typeof body === 'string' ? body : JSON.stringify(body),
      given,
    );
  } catch (error) {
    const { code, message } = ServeError.from(error);
    return code === 'InvalidArgument' ? message : `${code}: ${message}`;
  }
  return 'it was taken';
}

const bytesOf = (request: InferRequest): string[] =>
  request.inputs.map(({ data }) => Buffer.from(data).toString('hex'));

describe('readHttpRequest', () => {
  it('reads JSON', () => {
    const request = read(
      JSON.stringify({
        id: 'a',
        parameters: {
          priority: 7,
          timeout: 5,
          binary_data_output: true,
          mine: 1,
          sequence_id: 's',
        },
        inputs: [{ ...IN, shape: [2, 2], data: [[1, [2]], 3, 4] }],
        outputs: [
          { name: 'OUT', parameters: { binary_data: true, classification: 3 } },
          { name: 'OTHER' },
        ],
      }),
    );
    assert.deepEqual(
      { ...request, inputs: request.inputs.map(({ data: _, ...rest }) => rest) },
      {
        id: 'a',
        inputs: [{ name: 'IN', datatype: 'INT32', shape: [2n, 2n] }],
        outputs: [
          { name: 'OUT', binary: true, classification: 3 },
          { name: 'OTHER', binary: false, classification: 0 },
        ],
        binaryByDefault: true,
        priority: 7n,
        parameters: new Map([['mine', 1n]]),
        sequence: { id: 's', start: false, end: false },
        timeoutUs: 5n,
      },
    );
    assert.deepEqual(bytesOf(request), ['01000000020000000300000004000000']);
  });

  it('takes binary inputs from the tail, in their order', () => {
    const json = JSON.stringify({
      inputs: [
        { ...IN, name: 'B', datatype: 'FP16', parameters: { binary_data_size: 4 } },
        { ...IN, data: [1, 2] },
        { ...IN, name: 'A', parameters: { binary_data_size: 8 } },
      ],
    });
    const body = Buffer.concat([Buffer.from(json), Buffer.from('aabbccdd1122334455667788', 'hex')]);
    for (const length of [`${json.length}`, `+${json.length}`, ` ${json.length}b`]) {
      const request = read(body, { length });
      assert.deepEqual(bytesOf(request), ['aabbccdd', '0100000002000000', '1122334455667788']);
    }
  });

  it('takes strings', () => {
    const text = { ...IN, datatype: 'BYTES', data: [['a'], ['', 'ż']] };
    assert.deepEqual(bytesOf(read(JSON.stringify({ inputs: [text] }))), [
      '0100000061' + '00000000' + '02000000c5bc',
    ]);
  });

  it('reads no data where there can be none', () => {
    for (const shape of [[], [1, 0], [0]]) {
      const request = read(JSON.stringify({ inputs: [{ ...IN, shape, data: [1, 'x'] }] }));
      assert.deepEqual(bytesOf(request), ['']);
    }
  });

  it('takes a body without JSON as the one input of the model', () => {
    const body = Buffer.from('0100000002000000', 'hex');
    for (const length of ['0', 'x', '']) {
      const { inputs, binaryByDefault } = read(body, { length });
      assert.equal(binaryByDefault, true);
      assert.deepEqual(inputs[0]?.shape, [1n, 2n]);
    }
    assert.deepEqual(read('').inputs[0]?.shape, [1n, 0n]);
    const fixed = makePlan({ maxBatchSize: 0, inputs: [tensorPlan('IN', 'INT32', [2, 1])] });
    assert.deepEqual(read(body, { length: '0', plan: fixed }).inputs[0]?.shape, [2n, 1n]);
    const text = makePlan({ inputs: [tensorPlan('IN', 'BYTES', [1])] });
    assert.deepEqual(bytesOf(read('ab', { length: '0', plan: text })), ['020000006162']);
  });

  it('refuses bodies without JSON that do not fit', () => {
    const raw = (body: string, plan: ModelPlan): string => refusal(body, { length: '0', plan });
    const one = (datatype: 'INT32' | 'BYTES', dims: number[]): ModelPlan =>
      makePlan({ inputs: [tensorPlan('IN', datatype, dims)] });
    const PREFIX = '[request id: <id_unknown>] ';
    assert.equal(
      raw('abc', one('INT32', [-1])),
      `${PREFIX}input byte size mismatch for input 'raw_input' for model 'm'. Expected 0, got 3`,
    );
    assert.equal(
      raw('abcdefg', one('INT32', [-1, 0])),
      `${PREFIX}input byte size mismatch for input 'raw_input' for model 'm'. Expected 0, got 7`,
    );
    assert.match(raw('', one('INT32', [-1, -1])), /'IN' can not be deduced because there are more/);
    assert.match(raw('', one('BYTES', [-1])), /^\S+ \S+ \S+ For BYTE datatype raw input 'IN'/);
    assert.equal(
      raw('', makePlan({ inputs: [] })),
      `${PREFIX}Raw request must only have 1 input (found 1) to be deduced but got 0 inputs in 'm' model configuration`,
    );
    assert.match(refusal('abcdefgh', { length: '0', max: 4 }), /^Request JSON size of 8 bytes/);
  });

  it('says what is wrong with a request', () => {
    const input = (change: object): object => ({ inputs: [{ ...IN, data: [1, 2], ...change }] });
    const output = (change: object): object => ({ ...input({}), outputs: [change] });
    const parameter = (parameters: unknown): object => ({ ...input({}), parameters });
    const nonUnsigned = 'attempt to access JSON non-unsigned-integer as unsigned-integer';
    const sources =
      "Input must set only one of the following fields: 'data', 'binary_data_size' in " +
      "'parameters', 'shared_memory_region' in 'parameters'.";
    const disabled =
      "Unimplemented: Client shared memory is disabled. Start the server with '--allow-client-shm=true' to enable.";
    const cases: readonly [unknown, string][] = [
      ['[]', "Unable to parse 'inputs': attempt to access non-existing object member 'inputs'"],
      [{ inputs: {} }, "Unable to parse 'inputs': attempt to access JSON non-array as array"],
      [{ id: 5 }, "Unable to parse 'id': attempt to access JSON non-string as string"],
      [{ id: null }, "Unable to parse 'id': attempt to access JSON non-string as string"],
      [
        output({ name: 'O', parameters: { binary_data: null } }),
        "Unable to parse 'binary_data': attempt to access JSON non-boolean as boolean",
      ],
      [
        output({ name: 'O', parameters: { classification: null } }),
        `Unable to set 'classification': ${nonUnsigned}`,
      ],
      [{ inputs: [5] }, `${sources} But no field is set`],
      [
        input({ parameters: { binary_data_size: 8, shared_memory_region: 'r' } }),
        `${sources} But set 'data' 'binary_data_size' 'shared_memory_region'`,
      ],
      [input({ name: 5 }), "Unable to parse 'name': attempt to access JSON non-string as string"],
      [input({ datatype: 'INT33' }), 'invalid datatype for input IN'],
      [input({ shape: 2 }), "Unable to parse 'shape': attempt to access JSON non-array as array"],
      [input({ shape: [-1] }), `Unable to parse 'shape': ${nonUnsigned}`],
      [input({ shape: [1.5] }), `Unable to parse 'shape': ${nonUnsigned}`],
      [input({ shape: new Array(33).fill(1) }), "Unable to parse 'shape': more than 32 dimensions"],
      [input({ data: 5 }), "Unable to parse 'data': attempt to access JSON non-array as array"],
      [
        input({ data: [1] }),
        "Unable to parse 'data': Shape does not match true shape of 'data' field",
      ],
      [
        input({ data: [1, 2, 3] }),
        "Unable to parse 'data': Shape does not match true shape of 'data' field",
      ],
      [
        input({ shape: [2 ** 62, 2], data: [1] }),
        "Unable to parse 'data': Shape does not match true shape of 'data' field",
      ],
      [
        '{"inputs":[{"name":"IN","shape":[9223372036854775808,0],"datatype":"INT32","data":[]}]}',
        "Unable to parse 'data': Shape does not match true shape of 'data' field",
      ],
      [
        '{"inputs":[{"name":"IN","shape":[1,1],"datatype":"INT64","data":[9223372036854775808]}]}',
        "Unable to parse 'data': attempt to access JSON non-signed-integer as signed-integer",
      ],
      [
        input({ data: [1, {}] }),
        "Unable to parse 'data': attempt to access JSON non-signed-integer as signed-integer",
      ],
      [input({ datatype: 'UINT8', data: [1, -1] }), `Unable to parse 'data': ${nonUnsigned}`],
      [
        input({ datatype: 'BOOL', data: [1, 0] }),
        "Unable to parse 'data': attempt to access JSON non-boolean as boolean",
      ],
      [
        input({ datatype: 'FP64', data: ['1', 2] }),
        "Unable to parse 'data': attempt to access JSON non-number as double",
      ],
      [
        input({ datatype: 'BYTES', data: [1] }),
        'Unable to parse JSON bytes array: attempt to access JSON non-string as string',
      ],
      [
        input({ datatype: 'BF16' }),
        'receiving BF16 data via JSON is not supported. Please use the binary data format for input IN',
      ],
      [
        { inputs: [{ ...IN, parameters: { binary_data_size: 3 } }] },
        "unexpected size for input 'IN', expecting 3 additional bytes for model 'm'",
      ],
      [
        { inputs: [{ ...IN, parameters: { binary_data_size: -3 } }] },
        `Unable to parse 'binary_data_size': ${nonUnsigned}`,
      ],
      [{ inputs: [{ ...IN, parameters: { shared_memory_region: 'r' } }] }, disabled],
      [
        { ...input({}), outputs: 1 },
        "Unable to parse 'outputs': attempt to access JSON non-array as array",
      ],
      [output({}), "Unable to parse 'name': attempt to access non-existing object member 'name'"],
      [
        output({ name: 'O', parameters: { classification: 'x' } }),
        `Unable to set 'classification': ${nonUnsigned}`,
      ],
      [
        output({ name: 'O', parameters: { binary_data: 1 } }),
        "Unable to parse 'binary_data': attempt to access JSON non-boolean as boolean",
      ],
      [output({ name: 'O', parameters: { shared_memory_region: 'r' } }), disabled],
      [
        output({ name: 'O', parameters: { shared_memory_region: 'r', binary_data: true } }),
        "Output can't set both 'shared_memory_region' and 'binary_data'",
      ],
      [parameter(5), 'failed to get request params.: attempt to get members for non-object'],
      [parameter({ priority: 'x' }), `Unable to parse 'priority': ${nonUnsigned}`],
      [parameter({ timeout: -1 }), `Unable to parse 'timeout': ${nonUnsigned}`],
      [
        parameter({ sequence_id: -1 }),
        "Unable to parse 'sequence_id': attempt to access JSON non-string as string",
      ],
      [
        parameter({ sequence_id: 'ż'.repeat(65) }),
        'Unimplemented: string correlation ID cannot be longer than 128 characters',
      ],
      [
        parameter({ sequence_end: 1 }),
        "Unable to parse 'sequence_end': attempt to access JSON non-boolean as boolean",
      ],
      [
        parameter({ mine: [1] }),
        "parameter 'mine' has invalid type. It should be either 'int', 'bool', or 'string'.",
      ],
      [
        parameter({ triton_mine: 1 }),
        "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified.",
      ],
      [
        parameter(Object.fromEntries(Array.from({ length: 1025 }, (_, i) => [`p${i}`, i]))),
        'a request may have at most 1024 parameters',
      ],
    ];
    for (const [body, expected] of cases) {
      assert.equal(refusal(body), expected, JSON.stringify(body));
    }
  });

  it('says what is wrong with the length of the JSON part', () => {
    const range = (got: string): string =>
      `inference header size should be in range (0, 2), got: ${got}`;
    for (const length of ['3', '-1', '99999999999999999999']) {
      assert.equal(refusal('{}', { length }), range(length));
    }
    const json = JSON.stringify({ inputs: [{ ...IN, data: [1, 2] }] });
    assert.equal(
      refusal(`${json}rest`, { length: String(json.length) }),
      "unexpected additional input data for model 'm'",
    );
  });

  it('keeps the limit of JSON, in whole and for each tensor', () => {
    const json = JSON.stringify({ inputs: [{ ...IN, datatype: 'FP64', data: [1, 2] }] });
    assert.equal(refusal(json, { max: json.length }), 'it was taken');
    assert.match(
      refusal(json, { max: json.length - 1 }),
      /^Request JSON size of \d+ bytes exceeds/,
    );
    const many = JSON.stringify({
      inputs: [{ ...IN, shape: [1, 100], datatype: 'FP64', data: new Array(100).fill(1) }],
    });
    assert.match(
      refusal(many, { max: 500 }),
      /^Request JSON size of 504 bytes exceeds .* 500 bytes/,
    );
  });

  it('reports syntax before meaning, and id, parameters, inputs, tail, outputs in this order', () => {
    const wrong = {
      outputs: [{}],
      inputs: [{ ...IN, data: [1] }],
      parameters: 5,
      id: 5,
    };
    assert.match(refusal(`${JSON.stringify(wrong)}x`), /^failed to parse/);
    assert.match(refusal(wrong), /^Unable to parse 'id'/);
    assert.match(refusal({ ...wrong, id: '' }), /^failed to get request params/);
    assert.match(refusal({ ...wrong, id: '', parameters: {} }), /^Unable to parse 'data'/);
    const good = { ...wrong, id: '', parameters: {}, inputs: [{ ...IN, data: [1, 2] }] };
    assert.match(refusal(good), /^Unable to parse 'name'/);
    const json = JSON.stringify(good);
    assert.match(refusal(`${json}x`, { length: String(json.length) }), /^unexpected additional/);
  });
});
