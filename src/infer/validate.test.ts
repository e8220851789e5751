// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makePlan, tensorPlan } from '../../test/support/infer-plan.ts';
import type { DataType } from '../addon/data-type.ts';
import type { ModelPlan } from '../addon/model-plan.ts';
import { ServeError } from '../base/status.ts';
import { putStrings } from './elements.ts';
import type { InferRequest, InputTensor } from './request.ts';
import { validate } from './validate.ts';

const PREFIX = '[request id: <id_unknown>] ';

const input = (
  name: string,
  shape: readonly (number | bigint)[],
  bytes: number | Uint8Array,
  datatype: DataType | undefined = 'INT32',
): InputTensor => ({
  name,
  datatype,
  shape: shape.map(BigInt),
  data: typeof bytes === 'number' ? new Uint8Array(bytes) : bytes,
});

function verdict(plan: ModelPlan, inputs: readonly InputTensor[], given?: Partial<InferRequest>) {
  const request: InferRequest = {
    id: '',
    inputs,
    outputs: [],
    binaryByDefault: false,
    priority: 0n,
    timeoutUs: 0n,
    ...given,
  };
  try {
    validate(request, plan);
  } catch (error) {
    assert.equal(ServeError.from(error).code, 'InvalidArgument');
    return ServeError.from(error).message;
  }
  return 'good';
}

const single = makePlan();
const unbatched = makePlan({ maxBatchSize: 0, inputs: [tensorPlan('IN', 'INT32', [-1, 3])] });
const two = makePlan({ inputs: [tensorPlan('A', 'INT32', [-1]), tensorPlan('B', 'INT32', [-1])] });
const strings = makePlan({ inputs: [tensorPlan('IN', 'BYTES', [-1])] });

describe('validate', () => {
  it('lets good requests pass', () => {
    assert.equal(verdict(single, [input('IN', [2, 3], 24)]), 'good');
    assert.equal(verdict(single, [input('IN', [1, 0], 0)]), 'good');
    assert.equal(verdict(unbatched, [input('IN', [0, 3], 0)]), 'good');
    assert.equal(verdict(two, [input('B', [1, 1], 4), input('A', [1, 2], 8)]), 'good');
    const text = putStrings([Buffer.from('a'), Buffer.from('')]);
    assert.equal(verdict(strings, [input('IN', [2, 1], text, 'BYTES')]), 'good');
  });

  it('holds names against the model', () => {
    const good = input('IN', [1, 1], 4);
    const outputs = [{ name: 'NO', binary: false, classification: 0 }];
    assert.equal(
      verdict(single, [input('NO', [1, 1], 4)], { outputs }),
      "unexpected inference output 'NO' for model 'm'",
    );
    assert.equal(
      verdict(single, [input('NO', [1, 1], 4)]),
      "unexpected inference input 'NO' for model 'm'",
    );
    const twice = [
      { name: 'OUT', binary: false, classification: 0 },
      { name: 'OUT', binary: true, classification: 0 },
    ];
    assert.equal(
      verdict(single, [good], { outputs: twice }),
      `${PREFIX}output 'OUT' already exists in request`,
    );
    assert.equal(
      verdict(single, [good, good, good]),
      `${PREFIX}input 'IN' already exists in request`,
    );
    assert.equal(
      verdict(two, [input('A', [1, 1], 4)], { id: '7' }),
      "[request id: 7] expected 2 inputs but got 1 inputs for model 'm'. Got input(s) ['A'], but " +
        "missing required input(s) ['B']. Please provide all required input(s).",
    );
    assert.equal(
      verdict(single, [good, input('NO', [1, 1], 4)]),
      `${PREFIX}expected 1 inputs but got 2 inputs for model 'm'. Got input(s) ['IN','NO'].`,
    );
  });

  it('lets optional inputs be absent', () => {
    const plan = makePlan({
      inputs: [tensorPlan('A', 'INT32', [-1], true), tensorPlan('B', 'INT32', [-1])],
    });
    assert.equal(verdict(plan, [input('B', [1, 1], 4)]), 'good');
    assert.equal(
      verdict(plan, [input('A', [1, 1], 4)]),
      `${PREFIX}expected number of inputs between 1 and 2 but got 1 inputs for model 'm'. Got ` +
        "input(s) ['A'], but missing required input(s) ['B']. Please provide all required input(s).",
    );
  });

  it('holds the batch against the model and the other inputs', () => {
    assert.equal(
      verdict(single, [input('IN', [], 4)]),
      `${PREFIX}input 'IN' has no shape but model requires batch dimension for 'm'`,
    );
    assert.equal(
      verdict(single, [input('IN', [9], 36)]),
      `${PREFIX}inference request batch-size must be <= 8 for 'm'`,
    );
    assert.equal(
      verdict(two, [input('A', [2, 1], 8), input('B', [1, 1], 4)]),
      `${PREFIX}input 'B' batch size does not match other inputs for 'm'`,
    );
    for (const batch of [0, -1]) {
      assert.equal(
        verdict(single, [input('IN', [batch, 2], 8)]),
        `${PREFIX}inference request batch-size must be >= 1 for 'm', got ${batch}`,
      );
    }
  });

  it('holds datatypes and shapes against the model', () => {
    assert.equal(
      verdict(single, [input('IN', [1, 1], 4, 'FP32')]),
      `${PREFIX}inference input 'IN' data-type is 'FP32', but model 'm' expects 'INT32'`,
    );
    const { datatype: _, ...rest } = input('IN', [1, 1], 4);
    assert.match(verdict(single, [{ ...rest, datatype: undefined }]), /data-type is '<invalid>'/);
    assert.match(
      verdict(single, [input('IN', [4], 16)]),
      /unexpected shape for input 'IN' for model 'm'. Expected \[-1,-1\], got \[4\]. NOTE: Setting/,
    );
    assert.equal(
      verdict(unbatched, [input('IN', [1, 2], 8)]),
      `${PREFIX}unexpected shape for input 'IN' for model 'm'. Expected [-1,3], got [1,2]. `,
    );
    assert.equal(
      verdict(single, [input('IN', [1, -1], 8)]),
      `${PREFIX}All input dimensions should be specified for input 'IN' for model 'm', got [1,-1]`,
    );
    assert.match(verdict(single, [input('IN', [1, -2], 8)]), /unexpected shape .* got \[1,-2\]/);
  });

  it('holds bytes against the shape, whatever the shape claims', () => {
    assert.equal(
      verdict(single, [input('IN', [1, 2], 5)]),
      `${PREFIX}input byte size mismatch for input 'IN' for model 'm'. Expected 8, got 5`,
    );
    for (const bytes of [0, 8]) {
      assert.equal(
        verdict(single, [input('IN', [1, 2n ** 62n], bytes)]),
        `${PREFIX}input 'IN' for model 'm' has shape [1,4611686018427387904]: the number of its elements passes 2^63-1`,
      );
      assert.match(verdict(unbatched, [input('IN', [2n ** 62n, 3], bytes)]), /passes 2\^63-1$/);
      assert.match(
        verdict(single, [input('IN', [1, 2n ** 61n], bytes)]),
        /^\S+ \S+ \S+ input byte/,
      );
    }
  });

  it('refuses more elements than 63 bits can count, however small they are', () => {
    const shape = [2n ** 62n, 3n];
    for (const datatype of ['UINT8', 'BYTES'] as const) {
      const plan = makePlan({ maxBatchSize: 0, inputs: [tensorPlan('IN', datatype, [-1, 3])] });
      assert.match(verdict(plan, [input('IN', shape, 0, datatype)]), /passes 2\^63-1$/);
    }
  });

  it('counts strings', () => {
    const refused = (bytes: Uint8Array, count: number): string =>
      verdict(strings, [input('IN', [1, count], bytes, 'BYTES')]);
    const one = putStrings([Buffer.from('a')]);
    const where = "for inference input 'IN' for model 'm'";
    assert.equal(refused(one, 2), `${PREFIX}expected 2 string elements ${where}, got 1`);
    assert.equal(
      refused(Buffer.concat([one, one, one]), 1),
      `${PREFIX}unexpected number of string elements 2 ${where}, expecting 1`,
    );
    assert.equal(
      refused(Buffer.concat([one, Buffer.from([2, 0])]), 2),
      `${PREFIX}incomplete string length indicator ${where}, expecting 4 bytes but only 2 bytes ` +
        'available. Please make sure the string length indicator is in one buffer.',
    );
    assert.equal(
      refused(Buffer.from('ffffffff61', 'hex'), 1),
      "incomplete string data for inference input 'IN', expecting string of length 4294967295 but " +
        'only 1 bytes available',
    );
  });
});
