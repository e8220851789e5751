// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makePlan } from '../../test/support/infer-plan.ts';
import type { DataType } from '../addon/data-type.ts';
import type { TensorValue } from '../addon/infer-call.ts';
import type { TensorPlan } from '../addon/model-plan.ts';
import { classify, scoreText } from './classification.ts';
import { type Element, putElements, walkStrings } from './elements.ts';

const output = (datatype: DataType, shape: number[], values: readonly Element[]): TensorValue => ({
  name: 'OUT',
  datatype,
  shape,
  data: putElements(datatype, values),
});

const declared = (labels: readonly string[]): TensorPlan => ({
  name: 'OUT',
  datatype: 'FP32',
  dims: [-1],
  optional: false,
  labels,
});

const strings = ({ data }: TensorValue): string[] =>
  [...walkStrings(data)].map((one) =>
    'bytes' in one ? Buffer.from(one.bytes).toString() : one.problem,
  );

describe('classify', () => {
  it('names the largest elements of each row', () => {
    const plan = makePlan({ maxBatchSize: 8, outputs: [declared([])] });
    const result = classify(output('FP32', [2, 3], [1, 3, 2, 6, 5, 4]), 2, plan);
    assert.deepEqual([result.datatype, result.shape], ['BYTES', [2, 2]]);
    assert.deepEqual(strings(result), ['3.000000:1', '2.000000:2', '6.000000:0', '5.000000:1']);
  });

  it('adds labels where there are some', () => {
    const plan = makePlan({ maxBatchSize: 0, outputs: [declared(['cat', 'dog'])] });
    const result = classify(output('INT64', [3], [5n, 2n ** 60n, 7n]), 9, plan);
    assert.deepEqual(result.shape, [3]);
    assert.deepEqual(strings(result), ['1152921504606846976:1:dog', '7:2', '5:0:cat']);
  });

  it('takes the lower index of equal elements first', () => {
    const plan = makePlan({ maxBatchSize: 0, outputs: [declared([])] });
    assert.deepEqual(strings(classify(output('UINT8', [4], [1n, 2n, 2n, 1n]), 3, plan)), [
      '2:1',
      '2:2',
      '1:0',
    ]);
  });

  it('takes NaN before all', () => {
    const plan = makePlan({ maxBatchSize: 0, outputs: [declared([])] });
    const scores = [1, Number.NaN, 3, Number.NaN, Number.POSITIVE_INFINITY];
    assert.deepEqual(strings(classify(output('FP32', [5], scores), 4, plan)), [
      'nan:1',
      'nan:3',
      'inf:4',
      '3.000000:2',
    ]);
  });

  it('refuses what has no order', () => {
    const plan = makePlan({ outputs: [declared([])] });
    for (const datatype of ['BYTES', 'BOOL', 'FP16', 'BF16'] as const) {
      const tensor = { name: 'OUT', datatype, shape: [1, 0], data: new Uint8Array(0) };
      assert.throws(() => classify(tensor, 1, plan), {
        code: 'InvalidArgument',
        message: `class result not available for output due to unsupported type '${datatype}'`,
      });
    }
  });
});

describe('scoreText', () => {
  it('prints reals as C does', () => {
    const cases: readonly [number, string][] = [
      [0.5, '0.500000'],
      [-0, '-0.000000'],
      [-1.25, '-1.250000'],
      [Math.fround(0.7), '0.700000'],
      // 2^-7 and 3·2^-7 lie exactly between two texts: the even digit wins.
      [0.0078125, '0.007812'],
      [0.0234375, '0.023438'],
      [0.99999999, '1.000000'],
      [1e-9, '0.000000'],
      [5e-324, '0.000000'],
      [2 ** 70, '1180591620717411303424.000000'],
      [Number.NaN, 'nan'],
      [Number.NEGATIVE_INFINITY, '-inf'],
    ];
    for (const [score, expected] of cases) assert.equal(scoreText(score), expected);
  });
});
