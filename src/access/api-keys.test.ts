// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { parseApiKeys } from './api-keys.ts';

const digest = (key: string): string => createHash('sha256').update(key).digest('hex');
const KEY = 'a-key-of-some-length';

describe('parseApiKeys', () => {
  it('reads a key a line', () => {
    const text = [
      '# who may do what',
      `{"key":"${KEY}","scopes":["infer"]}`,
      '',
      `{"name":"ops","sha256":"${digest('x').toUpperCase()}","scopes":["manage","metrics"],"models":["a","b-*"]}\r`,
    ].join('\n');
    assert.deepEqual(parseApiKeys(text), [
      { sha256: digest(KEY), scopes: ['infer'], models: ['*'] },
      { sha256: digest('x'), scopes: ['manage', 'metrics'], models: ['a', 'b-*'] },
    ]);
    assert.deepEqual(parseApiKeys(''), []);
  });

  const good = `"key":"${KEY}","scopes":["infer"]`;
  const wrong: [line: string, message: RegExp][] = [
    ['nonsense', /^API keys, line 1: expected a JSON object$/],
    ['[1]', /expected a JSON object/],
    [`{${good},"model":["a"]}`, /"model" is not known/],
    ['{"scopes":["infer"]}', /expected one of "key" and "sha256"/],
    [`{${good},"sha256":"${digest('x')}"}`, /expected one of "key" and "sha256"/],
    ['{"key":"short","scopes":["infer"]}', /16 visible characters/],
    [`{"key":"${KEY} ${KEY}","scopes":["infer"]}`, /16 visible characters/],
    ['{"sha256":"12","scopes":["infer"]}', /64 hexadecimal digits/],
    [`{"key":"${KEY}"}`, /"scopes" to be a list/],
    [`{"key":"${KEY}","scopes":[]}`, /"scopes" to be a list/],
    [`{"key":"${KEY}","scopes":["admin"]}`, /"admin" is no scope: expected infer, manage, metrics/],
    [`{${good},"models":"a"}`, /"models" to be a list/],
    [`{${good},"models":[]}`, /"models" to be a list/],
    [`{${good}}\n{${good}}`, /^API keys, line 2: this key stands in an earlier line$/],
  ];
  for (const [text, message] of wrong) {
    it(`refuses ${text.slice(0, 60)} and shows no key`, () => {
      assert.throws(
        () => parseApiKeys(text),
        (error: Error & { code: string }) => {
          assert.equal(error.code, 'InvalidArgument');
          assert.match(error.message, message);
          assert.ok(!error.message.includes(KEY));
          return true;
        },
      );
    });
  }
});
