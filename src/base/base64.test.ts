// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readBase64 } from './base64.ts';

describe('readBase64', () => {
  it('reads what is base64', () => {
    for (const [text, expected] of [
      ['', ''],
      ['eA==', 'x'],
      ['eA', 'x'],
      ['eHk=', 'xy'],
      ['eHl6', 'xyz'],
      ['eH\r\nl6\n', 'xyz'],
      ['+/+/', Buffer.from('fbffbf', 'hex').toString('latin1')],
    ] as const) {
      assert.equal(readBase64(text)?.toString('latin1'), expected, JSON.stringify(text));
    }
  });

  it('refuses the rest', () => {
    for (const text of [
      'e',
      'eA=',
      'eA===',
      '=',
      '====',
      '%%%%',
      'e A=',
      'e=A=',
      '-_-_',
      'eHl6\0',
    ]) {
      assert.equal(readBase64(text), undefined, JSON.stringify(text));
    }
  });
});
