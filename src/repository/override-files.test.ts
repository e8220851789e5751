// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findCode, readOverrideKeys, versionsOf } from './override-files.ts';

const BYTES = Buffer.from('x');

const read = (...keys: string[]): string[] => [
  ...readOverrideKeys(new Map(keys.map((key) => [key, BYTES]))).keys(),
];

describe('keys of override files', () => {
  it('are places in the model', () => {
    const keys = ['file:1/model.onnx', 'file:2/a/b.c', 'file:labels.txt', 'file:1/é 日.bin'];
    assert.deepEqual(
      read(...keys),
      keys.map((key) => key.slice(5)),
    );
  });

  const bad: [string, string][] = [
    ['climbs out of the model', 'file:1/../../outside'],
    ['climbs at its start', 'file:../outside'],
    ['climbs at its end', 'file:1/..'],
    ['climbs and comes back', 'file:1/a/../b'],
    ['is a dot', 'file:1/.'],
    ['begins with a dot', 'file:./1/x'],
    ['is absolute', 'file:/etc/passwd'],
    ['is absolute behind its version', 'file:1//etc/passwd'],
    ['is empty', 'file:'],
    ['ends with a slash', 'file:1/'],
    ['has a NUL', 'file:1/model.onnx\0.txt'],
    ['has a line end', 'file:1/a\nb'],
    ['has a backslash', 'file:1\\x'],
    ['climbs with backslashes', 'file:1/..\\..\\outside'],
    ['is an absolute path of Windows', 'file:C:\\x'],
    ['is half a surrogate pair', 'file:1/\ud800'],
    ['has a part of 256 bytes', `file:1/${'a'.repeat(256)}`],
    ['has 1025 bytes', `file:1/${'abc/'.repeat(255)}abc`],
    ['has 17 parts', `file:1${'/a'.repeat(16)}`],
  ];
  for (const [what, key] of bad) {
    it(`are refused: a name that ${what}`, () => {
      assert.throws(() => read(key), { code: 'InvalidArgument' });
    });
  }

  it('are refused when one lies inside another', () => {
    assert.throws(() => read('file:1/a', 'file:1/a/b'), /another file of this load lies inside it/);
    assert.throws(() => read('file:1/a/b', 'file:1'), /another file of this load lies inside it/);
    assert.deepEqual(read('file:1/a/b', 'file:1/ab', 'file:1/a.b').length, 3);
  });

  it('are refused when there are 10 000', () => {
    const keys = Array.from({ length: 10_000 }, (_, i) => `file:1/${i}`);
    assert.throws(() => read(...keys), /expected at most 1024 files, got 10000/);
  });

  it('are repeated short and printable in the error', () => {
    assert.throws(
      () => read(`file:1/\0${'z'.repeat(5000)}`),
      (error: Error) =>
        error.message.length < 250 && error.message.startsWith('"file:1/\\u0000zzz'),
    );
  });
});

describe('versions of override files', () => {
  it('are the folders with a version as their name', () => {
    const paths = ['7/b', '7/a/x', '7/a/y', '5/any', '01/x', '0/x', '-1/x', 'one/x', '9', '1e3/x'];
    const huge = '99999999999999999999/x';
    assert.deepEqual(versionsOf([...paths, huge]), [
      { version: 5, files: ['any'] },
      { version: 7, files: ['a', 'b'] },
    ]);
  });
});

describe('code among override files', () => {
  const find = (path: string, bytes: Uint8Array = BYTES): string | undefined =>
    findCode(new Map([[path, bytes]]));

  it('is known by its name', () => {
    for (const name of [
      'libcustom.so',
      'libcustom.so.1.2',
      'LIB.SO',
      'a.dll',
      'b.dylib',
      'model.py',
      'm.pyc',
    ]) {
      assert.equal(find(`1/${name}`), `1/${name}`, name);
    }
    for (const name of ['model.onnx', 'also', 'model.some', 'weights.solid', 'labels.txt']) {
      assert.equal(find(`1/${name}`), undefined, name);
    }
  });

  it('is known by what an object file begins with', () => {
    assert.equal(find('1/model.onnx', Buffer.from('\x7fELF\x02', 'latin1')), '1/model.onnx');
    assert.equal(find('1/model.onnx', Buffer.from('\x7fEL', 'latin1')), undefined);
  });
});
