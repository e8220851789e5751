// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { decoded } from './gzip.ts';
import { storeError } from './store-error.ts';

const TEXT = Buffer.from('backend: "identity"\n'.repeat(5000));

async function* inPieces(content: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
}

async function read(body: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of decoded(body)) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

describe('decoded', () => {
  it('decodes gzip however it is cut', async () => {
    const packed = gzipSync(TEXT);
    for (const size of [1, 2, 7, packed.length]) {
      assert.equal(await read(inPieces(packed, size)), TEXT.toString());
    }
  });

  it('takes what is no gzip as it is', async () => {
    for (const text of ['', 'x', '\x1f', 'plain']) {
      assert.equal(await read(inPieces(Buffer.from(text, 'latin1'), 1)), text);
    }
  });

  it('refuses gzip that is cut or damaged', async () => {
    const packed = gzipSync(TEXT);
    const damaged = Buffer.from(packed).fill(7, 20, 30);
    for (const content of [packed.subarray(0, -9), damaged]) {
      await assert.rejects(read(inPieces(content, 100)), { problem: 'busy' });
    }
  });

  it('hands on what reading throws, and ends the reading when it is left', async () => {
    let isEnded = false;
    const source = async function* (failure?: Error): AsyncGenerator<Uint8Array> {
      try {
        yield* inPieces(gzipSync(TEXT), 100);
        if (failure !== undefined) throw failure;
      } finally {
        isEnded = true;
      }
    };
    await assert.rejects(read(source(storeError('denied', 'no more'))), { problem: 'denied' });
    isEnded = false;
    for await (const piece of decoded(source())) {
      assert.ok(piece.length > 0);
      break;
    }
    assert.equal(isEnded, true);
  });
});
