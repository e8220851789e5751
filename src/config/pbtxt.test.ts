// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ServeError } from '../base/status.ts';
import { ConfigError } from './config-error.ts';
import { emptyModelConfig } from './message.ts';
import { MAX_CONFIG_CHARACTERS } from './pbtxt.ts';
import { MAX_PROBLEMS } from './pbtxt-problems.ts';
import { scanPbtxt } from './pbtxt-scan.ts';
import { modelConfigType } from './proto.ts';
import { readModelConfig } from './read.ts';
import { modelConfigJson } from './write.ts';

const GOOD = `# a model
name: "m"
backend: "onnx" 'runtime'
max_batch_size: 0x8
input [ { name: "x" data_type: TYPE_FP32 dims: [ -1, 3 ] }, { name: "y" data_type: 13 dims: 1 dims: 010 } ]
output < name: "z", data_type: TYPE_INT64; dims: [ ] >
parameters { key: "a\\303\\274" value { string_value: "\\x41\\n" } }
parameters: [ { key: "b" value: { string_value: '' } } ]
dynamic_batching { priority_queue_policy { key: 18446744073709551615 value { max_queue_size: 4294967295 } } }
version_policy: { specific { versions: [ 1, -9223372036854775808 ] } }
`;

describe('readModelConfig', () => {
  it('reads the text format as protobuf does', () => {
    const config = readModelConfig(GOOD, 'm');
    assert.equal(config.backend, 'onnxruntime');
    assert.equal(config.max_batch_size, 8);
    assert.deepEqual(
      config.input.map(({ name, data_type, dims }) => [name, data_type, dims]),
      [
        ['x', 'TYPE_FP32', [-1n, 3n]],
        ['y', 'TYPE_STRING', [1n, 8n]],
      ],
    );
    assert.deepEqual(
      [...config.parameters],
      [
        ['aü', { string_value: 'A\n' }],
        ['b', { string_value: '' }],
      ],
    );
    assert.deepEqual(
      [...(config.dynamic_batching?.priority_queue_policy.keys() ?? [])],
      [2n ** 64n - 1n],
    );
    assert.deepEqual(config.version_policy?.specific?.versions, [1n, -(2n ** 63n)]);
  });

  it('takes an empty file for a configuration of defaults', () => {
    assert.deepEqual(readModelConfig('', 'm'), emptyModelConfig());
    assert.deepEqual(readModelConfig('\uFEFF# nothing\r\n', 'm'), emptyModelConfig());
  });

  it('reads files with CRLF alike', () => {
    assert.deepEqual(
      readModelConfig(GOOD.replaceAll('\n', '\r\n'), 'm'),
      readModelConfig(GOOD, 'm'),
    );
  });

  const bad: readonly [text: string, message: string][] = [
    ['max_batch_size 8', 'm:1:16: max_batch_size: Expected ":", found "8"'],
    [
      '\r\n  max_batchsize: 8',
      'm:2:3: max_batchsize: Message type "inference.ModelConfig" has no field named "max_batchsize"; did you mean "max_batch_size"?',
    ],
    [
      'maxBatchSize: 8',
      'm:1:1: maxBatchSize: Message type "inference.ModelConfig" has no field named "maxBatchSize"; did you mean "max_batch_size"?',
    ],
    ['zzz: 8', 'm:1:1: zzz: Message type "inference.ModelConfig" has no field named "zzz"'],
    [
      'constructor: 8',
      'm:1:1: constructor: Message type "inference.ModelConfig" has no field named "constructor"',
    ],
    [
      'input { name: "x" } input { data_type: BYTES }',
      'm:1:40: input[1].data_type: Unknown enumeration value of "BYTES" for field "data_type"; expected one of',
    ],
    [
      'input { data_type: INT32 }',
      'm:1:20: input[0].data_type: Unknown enumeration value of "INT32" for field "data_type"; did you mean TYPE_INT32?',
    ],
    [
      'input { data_type: constructor }',
      'm:1:20: input[0].data_type: Unknown enumeration value of "constructor"',
    ],
    [
      'max_batch_size: 1\nmax_batch_size: 2',
      'm:2:1: max_batch_size: Non-repeated field "max_batch_size" is specified multiple times; keep one',
    ],
    [
      'version_policy { all { } latest { } }',
      'm:1:26: version_policy.latest: Field "latest" is specified along with field "all", another member of oneof "policy_choice"; keep one',
    ],
    [
      'max_batch_size: -2147483649',
      'm:1:17: max_batch_size: Integer out of range (-2147483649), expected -2147483648 to 2147483647',
    ],
    [
      'dynamic_batching { priority_levels: -1 }',
      'm:1:37: dynamic_batching.priority_levels: Integer out of range (-1), expected 0 to 18446744073709551615',
    ],
    [
      'dynamic_batching { priority_levels: 18446744073709551616 }',
      'm:1:37: dynamic_batching.priority_levels: Integer out of range (18446744073709551616)',
    ],
    ['max_batch_size: 09', 'm:1:17: max_batch_size: Expected integer, got: "09"'],
    ['max_batch_size: 8x', 'm:1:17: max_batch_size: Expected a number'],
    ['name: "m', 'm:1:7: name: Unexpected end of string; close it with " on the same line'],
    ['name: "a\nb"', 'm:1:7: name: Unexpected end of string'],
    ['name: "\\q"', 'm:1:8: name: Invalid escape sequence "\\\\q" in string'],
    ['name: "a\0b"', 'm:1:9: name: Invalid control characters encountered in text: a NUL byte'],
    ['name: "a\\000b"', 'm:1:7: name: The string holds a NUL'],
    [
      'parameters { key: "a\0b" value { string_value: "" } }',
      'm:1:21: parameters[0]: Invalid control characters encountered in text: a NUL byte',
    ],
    [
      'parameters { key: "a\\000b" value { string_value: "" } }',
      'm:1:19: parameters[0]: The string holds a NUL',
    ],
    ['name: "\\377"', 'm:1:7: name: invalid UTF-8 string'],
    [
      'parameters { key: "k" value { string_value: 3 } }',
      'm:1:45: parameters[0].string_value: Expected string, got: "3"',
    ],
    ...['07', '08', '00.5', '0x7'].map((number): [string, string] => [
      `sequence_batching { direct { minimum_slot_utilization: ${number} } }`,
      `m:1:56: sequence_batching.direct.minimum_slot_utilization: Expect a decimal number, got: ${number}`,
    ]),
    ['input: { name: "x" ', 'm:1:20: input[0]: Unexpected end of file, expected "}"'],
    ['input < name: "x" }', 'm:1:19: input[0]: Expected identifier, got: "}"'],
    ['[ext]: 1', 'm:1:1: Expected identifier, got: "["'],
    [',', 'm:1:1: Expected identifier, got: ","'],
    ['\u00e9', 'm:1:1: Unexpected character "é"'],
    ['<html>', 'm:1:1: Expected identifier, got: "<"'],
    ['{"name": "m"}', 'm:1:1: Expected identifier, got: "{"'],
  ];
  for (const [text, message] of bad)
    it(`says where and why it cannot read ${JSON.stringify(text)}`, () => {
      const error = failure(text);
      assert.equal(error.code, 'InvalidArgument');
      assert.equal(error.phase, 'read');
      assert.equal(error.message.slice(0, message.length), message);
    });
});

describe('hostile configurations', () => {
  const deep = 100_000;
  const texts: Record<string, string> = {
    'messages 100,000 deep': 'input { '.repeat(deep),
    'lists 100,000 deep': `input { dims: ${'['.repeat(deep)}`,
    'angle brackets 100,000 deep': 'optimization < '.repeat(deep),
    'brackets 1,000,000 deep': '['.repeat(1_000_000),
    'binary junk': String.fromCharCode(
      ...Array.from({ length: 5000 }, (_, i) => (i * 7919) % 65536),
    ),
    'NUL bytes': '\0'.repeat(1000),
    'lone surrogates': '\ud800\udc00\udfff\ud800',
    'a number of a million digits': `max_batch_size: ${'9'.repeat(1_000_000)}`,
    'ten megabytes': 'name: "m"\n'.repeat(1 << 20),
  };
  for (const [what, text] of Object.entries(texts))
    it(`answers ${what} with one sentence`, () => {
      const { message } = failure(text);
      assert.ok(message.length < 600, `${message.length} characters`);
      assert.ok(message.startsWith('m:'));
      assert.ok(!message.includes('\n'));
    });

  it('refuses what is too long before a parser sees it', () => {
    assert.match(
      failure(' '.repeat(MAX_CONFIG_CHARACTERS + 1)).message,
      /^m: the configuration has 1048577 characters, at most 1048576 are read/,
    );
    assert.deepEqual(readModelConfig(' '.repeat(MAX_CONFIG_CHARACTERS), 'm'), emptyModelConfig());
  });

  it('takes keys that are names of Object.prototype for keys', () => {
    const config = readModelConfig(
      'parameters { key: "__proto__" value { string_value: "v" } } metric_tags { key: "constructor" value: "c" }',
      'm',
    );
    assert.deepEqual([...config.parameters], [['__proto__', { string_value: 'v' }]]);
    assert.match(modelConfigJson(config), /"metric_tags":\{"constructor":"c"\}/);
    assert.equal(({} as Record<string, unknown>).string_value, undefined);
  });
});

describe('scanPbtxt', () => {
  const problems = (text: string): unknown[] =>
    scanPbtxt(text, modelConfigType()).problems.map((one) => [
      one.path,
      text.slice(one.blame.start, one.blame.end),
      one.edits?.map(({ start, end, text: to }) => [text.slice(start, end), to]),
    ]);

  it('goes on behind a problem, and knows the remedy where one is likely', () => {
    assert.deepEqual(problems('name: x\nbackend: [ "b" ]\nfoo: { a: [ 1 ] }\nmax_batch: "8",'), [
      ['name', 'name: x', [['x', '"x"']]],
      [
        'backend',
        'backend: [ "b" ]',
        [
          ['[', ''],
          [']', ''],
        ],
      ],
      ['foo', 'foo: { a: [ 1 ] }', undefined],
      ['max_batch', 'max_batch: "8",', [['max_batch', 'max_batch_size']]],
      ['max_batch', 'max_batch: "8",', [['"8"', '8']]],
    ]);
    assert.deepEqual(
      problems('platform: 3 platform: "y"'),
      [
        ['platform', 'platform: 3 ', [['3', '"3"']]],
        ['platform', 'platform: "y"', []],
      ].map(([path, blame, edits]) => [path, String(blame).trimEnd(), edits]),
    );
  });

  it('goes on at the next line that begins a field where a value has no plain end', () => {
    assert.deepEqual(problems('input { name: "x\n  dims: 1 }\nbackend: 5\n'), [
      ['input[0].name', 'input { name: "x\n  dims: 1 }\n', undefined],
      ['backend', 'backend: 5', [['5', '"5"']]],
    ]);
  });

  it('closes what was left open, once', () => {
    assert.deepEqual(problems('input [ { name: "x" dims: [ 1, 2 '), [
      ['input[0].dims', 'dims: [ 1, 2', [['', '\n] } ]']]],
    ]);
    assert.deepEqual(problems('input [ { name: "x" ]'), [
      ['input[0]', 'input [ { name: "x" ]', [['', '} ']]],
    ]);
  });

  it('stops telling after a hundred', () => {
    const { length } = scanPbtxt('x: 1\n'.repeat(5000), modelConfigType()).problems;
    assert.equal(length, MAX_PROBLEMS);
  });

  // The reader and the walk are two parsers of one grammar: whatever one refuses the other must.
  it('finds a problem in exactly the broken variants of a file', () => {
    const random = generator(20250101);
    let refused = 0;
    for (let round = 0; round < 3000; round += 1) {
      const text = mutate(GOOD, random);
      const { problem } = scanPbtxt(text, modelConfigType());
      let error: unknown;
      try {
        readModelConfig(text, 'm');
      } catch (thrown) {
        error = thrown;
      }
      assert.equal(
        problem !== undefined,
        error !== undefined,
        `${JSON.stringify(text)}\n${String(error)}\n${problem?.text}`,
      );
      if (error) refused += 1;
    }
    assert.ok(refused > 1000 && refused < 2900, `${refused} refused`);
  });

  it('finds no problem in a file cut at a field, and one in a file cut within', () => {
    for (let end = 0; end <= GOOD.length; end += 1) {
      const text = GOOD.slice(0, end);
      const { problem } = scanPbtxt(text, modelConfigType());
      let read = true;
      try {
        readModelConfig(text, 'm');
      } catch {
        read = false;
      }
      assert.equal(problem === undefined, read, JSON.stringify(text.slice(-30)));
    }
  });

  it('knows where every field stands', () => {
    const { offsets } = scanPbtxt(GOOD, modelConfigType());
    const at = (path: string): string => GOOD.slice(offsets.get(path)).split(/[ :[{<]/)[0] ?? '';
    assert.equal(at('input[1].data_type'), 'data_type');
    assert.equal(at('parameters["b"].string_value'), 'string_value');
    assert.equal(at('version_policy.specific.versions'), 'versions');
    assert.equal(GOOD.slice(offsets.get('input[0].dims[1]')).slice(0, 1), '3');
  });
});

function failure(text: string): ConfigError {
  try {
    readModelConfig(text, 'm');
  } catch (error) {
    assert.ok(error instanceof ConfigError && error instanceof ServeError, String(error));
    return error;
  }
  return assert.fail('it was read');
}

/** Pseudo-random numbers below `limit`, the same in every run. */
function generator(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % limit;
  };
}

const PIECES = [
  '{',
  '}',
  '[',
  ']',
  '<',
  '>',
  ':',
  ',',
  ';',
  '"',
  "'",
  '#',
  '-',
  '0',
  '9',
  '1e3',
  '.5f',
  'x',
  '\\',
  '\n',
  ' ',
  'name',
  'dims',
  'TYPE_FP32',
  'all',
  'true',
  'key',
  'inf',
];

function mutate(text: string, random: (limit: number) => number): string {
  let mutated = text;
  for (let count = 1 + random(2); count > 0; count -= 1) {
    const at = random(mutated.length + 1);
    const cut = random(3) === 0 ? random(4) : 0;
    const piece = random(2) === 0 ? (PIECES[random(PIECES.length)] ?? '') : '';
    mutated = mutated.slice(0, at) + piece + mutated.slice(at + (piece ? cut : cut + 1));
  }
  return mutated;
}
