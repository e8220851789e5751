// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Frame, type JsonValue, readJson } from './json-reader.ts';

const read = (text: string | Uint8Array, frame?: Frame): JsonValue =>
  readJson(Buffer.from(text as string), frame);

function refusal(text: string | Uint8Array, frame?: Frame): string {
  try {
    read(text, frame);
  } catch (error) {
    return (error as Error).message.replace('failed to parse the request JSON buffer: ', '');
  }
  return 'it was taken';
}

describe('readJson', () => {
  it('reads every kind of value', () => {
    assert.deepEqual(
      read(' {"a" : [ true, false ,null, "x", {} , [] ] ,\n\t"b":\r{"c":1} } '),
      new Map<string, JsonValue>([
        ['a', [true, false, null, 'x', new Map(), []]],
        ['b', new Map([['c', 1n]])],
      ]),
    );
  });

  it('keeps integers of 64 bits exactly and everything else as a double', () => {
    const cases: readonly [string, bigint | number][] = [
      ['0', 0n],
      ['-0', 0n],
      ['9007199254740993', 9007199254740993n],
      ['-9223372036854775808', -(2n ** 63n)],
      ['-9223372036854775809', -(2 ** 63)],
      ['18446744073709551615', 2n ** 64n - 1n],
      ['18446744073709551616', 2 ** 64],
      ['1.0', 1],
      ['-0.0', -0],
      ['1e2', 100],
      ['-1.25E-2', -0.0125],
      ['1e+3', 1000],
      ['1e-400', 0],
      ['NaN', Number.NaN],
      ['-NaN', Number.NaN],
      ['Inf', Number.POSITIVE_INFINITY],
      ['Infinity', Number.POSITIVE_INFINITY],
      ['-Infinity', Number.NEGATIVE_INFINITY],
      ['1.7976931348623157e308', Number.MAX_VALUE],
    ];
    for (const [text, expected] of cases) assert.deepEqual(read(text), expected, text);
  });

  it('resolves escapes and keeps text', () => {
    assert.equal(
      read(String.raw`"q\"\\\/\b\f\n\r\t\u001f\u20ac\ud83d\uDE00"`),
      'q"\\/\b\f\n\r\t\x1f€😀',
    );
    assert.equal(read('"ż€😀\u007f"'), 'ż€😀\u007f');
    assert.deepEqual(read(String.raw`{"\u0061":1}`), new Map([['a', 1n]]));
  });

  it('keeps the first of two members with one name', () => {
    assert.deepEqual(read('{"a":1,"a":2}'), new Map([['a', 1n]]));
    assert.deepEqual(read('{"__proto__":1}'), new Map([['__proto__', 1n]]));
  });

  it('passes over a byte order mark', () => {
    assert.equal(read('\ufeff 1'), 1n);
  });

  it('says what is wrong and at which byte', () => {
    const cases: readonly [string | Uint8Array, string][] = [
      ['', 'The document is empty. at 0'],
      ['  ', 'The document is empty. at 2'],
      ['\ufeff', 'The document is empty. at 3'],
      ['hello', 'Invalid value. at 0'],
      ['nul', 'Invalid value. at 3'],
      ['tru1', 'Invalid value. at 3'],
      ['-', 'Invalid value. at 1'],
      ['+1', 'Invalid value. at 0'],
      ['.5', 'Invalid value. at 0'],
      ['Nan', 'Invalid value. at 2'],
      ['Infinit', 'Invalid value. at 7'],
      ['01', 'The document root must not be followed by other values. at 1'],
      ['1.', 'Miss fraction part in number. at 2'],
      ['1e', 'Miss exponent in number. at 2'],
      ['1e+', 'Miss exponent in number. at 3'],
      ['[1e400]', 'Number too big to be stored in double. at 1'],
      [`[1,${'9'.repeat(400)}]`, 'Number too big to be stored in double. at 3'],
      ['1 2', 'The document root must not be followed by other values. at 2'],
      ['{', 'Missing a name for object member. at 1'],
      ['{a', 'Missing a name for object member. at 1'],
      ['{"a"', 'Missing a colon after a name of object member. at 4'],
      ['{"a":', 'Invalid value. at 5'],
      ['{"a":1', "Missing a comma or '}' after an object member. at 6"],
      ['{"a":1,}', 'Missing a name for object member. at 7'],
      ['[', 'Invalid value. at 1'],
      ['[1', "Missing a comma or ']' after an array element. at 2"],
      ['[1,]', 'Invalid value. at 3'],
      ['"ab', 'Missing a closing quotation mark in string. at 3'],
      ['"a\0"', 'Invalid escape character in string. at 2'],
      ['\0', 'Invalid value. at 0'],
      ['1\0', 'The document root must not be followed by other values. at 1'],
      ['"a\nb"', 'Invalid escape character in string. at 2'],
      ['"a\\x"', 'Invalid escape character in string. at 2'],
      ['"\\', 'Invalid escape character in string. at 1'],
      ['"\\u12g4"', 'Incorrect hex digit after \\u escape in string. at 1'],
      ['"\\u12"', 'Incorrect hex digit after \\u escape in string. at 1'],
      ['"\\ud83d"', 'The surrogate pair in string is invalid. at 1'],
      ['"\\ud83d\\u0041"', 'The surrogate pair in string is invalid. at 1'],
      ['"\\ude00"', 'The surrogate pair in string is invalid. at 1'],
      [Buffer.from([0x22, 0x61, 0xff, 0x22]), 'Invalid encoding in string. at 2'],
      [Buffer.from([0x22, 0xc0, 0xaf, 0x22]), 'Invalid encoding in string. at 1'],
      [Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), 'Invalid encoding in string. at 1'],
      [Buffer.from([0x22, 0xf4, 0x90, 0x80, 0x80, 0x22]), 'Invalid encoding in string. at 1'],
      [Buffer.from([0x22, 0xe2, 0x82, 0x22]), 'Invalid encoding in string. at 1'],
      [Buffer.from([0x22, 0xe2, 0x82]), 'Invalid encoding in string. at 1'],
    ];
    for (const [text, expected] of cases) assert.equal(refusal(text), expected, String(text));
  });

  it('refuses every cut of a text', () => {
    const text = '{"a":[1.5e3,-2,"\\u20ac€",{"b":[null,true]}],"c":NaN}';
    const bytes = Buffer.from(text);
    for (let length = 0; length < bytes.length; length += 1) {
      assert.notEqual(refusal(bytes.subarray(0, length)), 'it was taken', `cut at ${length}`);
    }
    assert.equal(refusal(text), 'it was taken');
  });

  it('follows 100 levels and no more, beside those the caller expects', () => {
    const lists = (count: number): string => '['.repeat(count) + ']'.repeat(count);
    assert.equal(refusal(lists(100)), 'it was taken');
    assert.equal(refusal(lists(101)), 'Nesting deeper than 100 levels. at 100');
    assert.equal(refusal('['.repeat(100_000)), 'Nesting deeper than 100 levels. at 100');
    assert.equal(refusal('{"a":'.repeat(100_000)), 'Nesting deeper than 100 levels. at 500');
    const frame: Frame = { members: new Map([['in', { elements: {} }]]) };
    assert.equal(refusal(`{"in":[${lists(100)}]}`, frame), 'it was taken');
    assert.equal(
      refusal(`{"in":[${lists(101)}]}`, frame),
      `Nesting deeper than 100 levels. at ${'{"in":['.length + 100}`,
    );
    // Neither a second member of that name nor another kind of value is what the caller expects.
    assert.match(refusal(`{"in":[],"in":[${lists(100)}]}`, frame), /^Nesting deeper/);
    assert.match(refusal(`{"in":{"x":${lists(100)}}}`, frame), /^Nesting deeper/);
  });
});
