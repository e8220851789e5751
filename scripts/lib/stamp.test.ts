// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { hashOf, Stamps, writeWhole } from './stamp.mjs';

const root = mkdtempSync(join(tmpdir(), 'nereid-stamp-'));
after(() => rmSync(root, { recursive: true, force: true }));

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(root, 's-'));
  mkdirSync(join(folder, 'native/base'), { recursive: true });
  writeFileSync(join(folder, 'native/base/a.cc'), 'a');
  writeFileSync(join(folder, 'native/base/a_test.cc'), 't');
  writeFileSync(join(folder, 'CMakeLists.txt'), 'c');
});

const hash = (words: readonly string[] = [], accept?: (path: string) => boolean) =>
  hashOf(folder, ['CMakeLists.txt', 'native', 'absent'], words, accept);

describe('hashOf', () => {
  it('is the same for the same contents', () => {
    assert.equal(hash(), hash());
  });

  const changes: readonly (readonly [string, () => void])[] = [
    ['a changed file', () => writeFileSync(join(folder, 'native/base/a.cc'), 'b')],
    ['a new file', () => writeFileSync(join(folder, 'native/base/b.cc'), '')],
    ['a removed file', () => rmSync(join(folder, 'native/base/a.cc'))],
    [
      'a renamed file',
      () => renameSync(join(folder, 'native/base/a.cc'), join(folder, 'native/base/z.cc')),
    ],
    ['a file that was absent', () => writeFileSync(join(folder, 'absent'), '')],
  ];
  for (const [name, change] of changes) {
    it(`sees ${name}`, () => {
      const before = hash();
      change();
      assert.notEqual(hash(), before);
    });
  }

  it('sees the words and tells them apart', () => {
    assert.notEqual(hash(['g++']), hash(['clang++']));
    assert.notEqual(hash(['ab', 'c']), hash(['a', 'bc']));
  });

  it('leaves out what is not accepted', () => {
    const accept = (path: string) => !path.endsWith('_test.cc');
    const before = hash([], accept);
    writeFileSync(join(folder, 'native/base/a_test.cc'), 'changed');
    assert.equal(hash([], accept), before);
  });
});

describe('Stamps', () => {
  it('is fresh only for the same hash with its outputs in place', () => {
    const stamps = new Stamps(join(folder, 'stamps'));
    const output = join(folder, 'CMakeLists.txt');
    assert.equal(stamps.isFresh('addon', 'h1'), false);
    stamps.write('addon', 'h1');
    assert.equal(stamps.isFresh('addon', 'h1', [output]), true);
    assert.equal(stamps.isFresh('addon', 'h2', [output]), false);
    assert.equal(stamps.isFresh('tests', 'h1', [output]), false);
    rmSync(output);
    assert.equal(stamps.isFresh('addon', 'h1', [output]), false);
  });

  it('is not fresh after a step began and did not end', () => {
    const stamps = new Stamps(join(folder, 'stamps'));
    stamps.write('addon', 'h1');
    stamps.clear('addon');
    assert.equal(stamps.isFresh('addon', 'h1'), false);
  });
});

describe('writeWhole', () => {
  it('replaces a file and leaves nothing beside it', () => {
    const target = join(folder, 'new/env');
    writeWhole(target, 'one');
    writeWhole(target, 'two');
    assert.deepEqual(readdirSync(join(folder, 'new')), ['env']);
  });
});
