// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DataType } from '../addon/data-type.ts';
import {
  asDataType,
  type Element,
  putElements,
  putStrings,
  takeElements,
  walkStrings,
} from './elements.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('elements', () => {
  it('lie little-endian, integers cut to their width', () => {
    const cases: readonly [DataType, readonly Element[], string][] = [
      ['BOOL', [true, false], '0100'],
      ['UINT8', [1n, 256n, 255n], '0100ff'],
      ['UINT16', [65537n, 258n], '01000201'],
      ['UINT32', [2n ** 32n + 5n], '05000000'],
      ['UINT64', [2n ** 64n - 1n], 'ffffffffffffffff'],
      ['INT8', [128n, -129n, -1n], '807fff'],
      ['INT16', [-2n], 'feff'],
      ['INT32', [2n ** 31n], '00000080'],
      ['INT64', [-(2n ** 63n)], '0000000000000080'],
      ['FP32', [1n, -0, 16777217n, 1e39], '0000803f000000800000804b0000807f'],
      ['FP64', [-2, 9007199254740993n], '00000000000000c00000000000004043'],
    ];
    for (const [datatype, values, expected] of cases) {
      assert.equal(hex(putElements(datatype, values)), expected, datatype);
    }
  });

  it('come back as they were, also from bytes that lie unaligned', () => {
    const bytes = Buffer.from('ff0000803f00000080', 'hex').subarray(1);
    assert.deepEqual(takeElements('FP32', bytes), [1, -0]);
    assert.deepEqual(takeElements('BOOL', Buffer.from([0, 1, 255])), [false, true, true]);
    assert.deepEqual(takeElements('INT64', Buffer.alloc(8, 0xff)), [-1n]);
  });

  it('of BYTES carry their length in front', () => {
    const bytes = putStrings([Buffer.from('ab'), new Uint8Array(0), Buffer.from([0, 255])]);
    assert.equal(hex(bytes), '0200000061620000000002000000' + '00ff');
    const back = [...walkStrings(bytes)].map((one) => ('bytes' in one ? hex(one.bytes) : one));
    assert.deepEqual(back, ['6162', '', '00ff']);
  });

  it('of BYTES that are cut off are found out', () => {
    const bytes = putStrings([Buffer.from('ab')]);
    assert.deepEqual(
      [...walkStrings(bytes.subarray(0, 3))],
      [{ problem: 'length', expected: 4, got: 3 }],
    );
    assert.deepEqual(
      [...walkStrings(bytes.subarray(0, 5))],
      [{ problem: 'data', expected: 2, got: 1 }],
    );
    assert.deepEqual([...walkStrings(new Uint8Array(0))], []);
  });

  it('have the datatypes of the protocol and no others', () => {
    assert.equal(asDataType('BF16'), 'BF16');
    for (const name of ['', 'int32', 'TYPE_INT32', 'constructor', '__proto__']) {
      assert.equal(asDataType(name), undefined, name);
    }
  });
});
