// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConfigError } from './config-error.ts';
import { emptyModelConfig } from './message.ts';
import { parseModelConfigJson } from './read.ts';

describe('parseModelConfigJson', () => {
  it('takes both spellings, integers in strings, enum values by number', () => {
    const config = parseModelConfigJson(`{
      "maxBatchSize": "4", "max_batch_size": null,
      "input": [{"name": "x", "dataType": 11, "dims": ["9007199254740993", -1, 3.0, 1e2]}],
      "dynamicBatching": {"priorityQueuePolicy": {"18446744073709551615": {"timeoutAction": "DELAY"}}},
      "parameters": {"__proto__": {"stringValue": "\\u00fc\\n"}}
    }`);
    assert.equal(config.max_batch_size, 4);
    assert.deepEqual(config.input[0]?.dims, [9007199254740993n, -1n, 3n, 100n]);
    assert.equal(config.input[0]?.data_type, 'TYPE_FP32');
    assert.equal(
      config.dynamic_batching?.priority_queue_policy.get(2n ** 64n - 1n)?.timeout_action,
      'DELAY',
    );
    assert.equal(config.parameters.get('__proto__')?.string_value, 'ü\n');
  });

  it('takes an empty object for a configuration of defaults', () => {
    assert.deepEqual(parseModelConfigJson(' {} '), emptyModelConfig());
  });

  const bad: readonly [text: string, message: string][] = [
    ['', 'config:1:1: expected a value, got the end of the text'],
    ['[]', 'config:1:1: Root element must be a message'],
    [
      '{\n "max_batchsize": 4}',
      'config:2:2: max_batchsize: Cannot find field; did you mean "max_batch_size"?',
    ],
    ['{"constructor": 4}', 'config:1:2: constructor: Cannot find field in ModelConfig'],
    [
      '{"input": [{"dims": [1, "x"]}]}',
      'config:1:25: input[0].dims[1]: invalid value "x" for type TYPE_INT64; expected an integer from',
    ],
    [
      '{"input": [{"dims": [9223372036854775808]}]}',
      'config:1:22: input[0].dims[0]: invalid value 9223372036854775808 for type TYPE_INT64',
    ],
    [
      '{"input": [{"dims": [1e400]}]}',
      'config:1:22: input[0].dims[0]: invalid value 1e400 for type TYPE_INT64',
    ],
    [
      '{"input": [{"data_type": "FP32"}]}',
      'config:1:26: input[0].data_type: invalid value "FP32" for type type.googleapis.com/inference.DataType; did you mean "TYPE_FP32"?',
    ],
    ['{"input": "x"}', 'config:1:11: input[0]: expected an object, got "x"'],
    ['{"parameters": []}', 'config:1:16: parameters: expected an object, got a list'],
    ['{"parameters": {"a": "b"}}', 'config:1:22: parameters["a"]: expected an object, got "b"'],
    [
      '{"dynamic_batching": {"priority_queue_policy": {"x": {}}}}',
      'config:1:49: dynamic_batching.priority_queue_policy["x"]: invalid value "x" for type TYPE_UINT64',
    ],
    [
      '{"backend": ["x"]}',
      'config:1:13: backend: invalid value a list for type TYPE_STRING; expected text in double quotes',
    ],
    ['{"backend": "a\\u0000"}', 'config:1:13: backend: The string holds a NUL'],
    [
      '{"response_cache": {"enable": 1}}',
      'config:1:31: response_cache.enable: invalid value 1 for type TYPE_BOOL; expected true or false',
    ],
    [
      '{"max_batch_size": 1, "maxBatchSize": 1}',
      'config:1:23: max_batch_size: field max_batch_size is given twice; keep one',
    ],
    [
      '{"metric_tags": {"a": "1", "a": "2"}}',
      'config:1:28: metric_tags["a"]: this key is given twice; keep one',
    ],
    ['{"backend": "x",}', 'config:1:17: expected a name in double quotes, got "}"'],
    ['{"backend": "x"', 'config:1:16: expected "}", got the end of the text'],
    ['{"backend": "x', 'config:1:13: expected a string that ends in double quotes'],
    ['{"max_batch_size": 01}', 'config:1:21: expected "}", got "1}"'],
    ['{"max_batch_size": NaN}', 'config:1:20: expected a value, got "NaN}"'],
  ];
  for (const [text, message] of bad)
    it(`says where and why it cannot take ${JSON.stringify(text)}`, () => {
      const expected = `Invalid config override: ${message}`;
      assert.equal(failure(text).message.slice(0, expected.length), expected);
    });

  const hostile: Record<string, string> = {
    'objects 100,000 deep': '{"a":'.repeat(100_000),
    'lists 100,000 deep': '['.repeat(100_000),
    'ten megabytes': ' '.repeat(10 << 20),
    'NUL bytes': '\0'.repeat(1000),
    'a string of a million escapes': `{"a":"${'\\u0041'.repeat(150_000)}`,
    'a number of a million digits': `{"max_batch_size":${'9'.repeat(1_000_000)}}`,
  };
  for (const [what, text] of Object.entries(hostile))
    it(`answers ${what} with one sentence`, () => {
      const { message } = failure(text);
      assert.ok(message.length < 300 && !message.includes('\n'), message.slice(0, 400));
    });
});

function failure(text: string): ConfigError {
  try {
    parseModelConfigJson(text);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error;
  }
  return assert.fail('it was read');
}
