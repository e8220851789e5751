// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Crc32c } from './crc32c.ts';

function crc(...pieces: readonly Uint8Array[]): string {
  const sum = new Crc32c();
  for (const piece of pieces) sum.update(piece);
  return Buffer.from(sum.digest(), 'base64').toString('hex');
}

// RFC 3720, appendix B.4, which shows the bytes in the order of the wire: least significant first.
it('gives the sums of the standard', () => {
  assert.equal(crc(Buffer.from('123456789')), 'e3069283');
  assert.equal(crc(new Uint8Array(32)), '8a9136aa');
  assert.equal(crc(new Uint8Array(32).fill(0xff)), '62a8ab43');
  assert.equal(crc(), '00000000');
});

it('is the same however the bytes come', () => {
  const bytes = Buffer.from(Array.from({ length: 101 }, (_, i) => (i * 37) & 0xff));
  const whole = crc(bytes);
  for (let at = 0; at <= bytes.length; at++) {
    assert.equal(crc(bytes.subarray(0, at), bytes.subarray(at)), whole);
  }
});
