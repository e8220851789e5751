// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { filesOf, modelListing, modelNames, versionFolders } from './listing.ts';
import type { StoredObject } from './object-store.ts';

const object = (key: string, token = 't', bytes = 1): StoredObject => ({ key, token, bytes });
const list = (...keys: readonly string[]) =>
  modelListing(
    'p/m/',
    keys.map((key) => object(`p/m/${key}`)),
  );

describe('modelNames', () => {
  it('takes what has something behind a slash, but nothing hidden', () => {
    const keys = ['p/b/1/x', 'p/a/config.pbtxt', 'p/a/1/', 'p/.git/x', 'p//x'];
    assert.deepEqual(modelNames('p/', keys), ['a', 'b']);
  });
});

describe('modelListing', () => {
  it('finds files, folders and versions', () => {
    const listing = list(
      '',
      'config.pbtxt',
      '1/model.onnx',
      '10/',
      '2/deep/weights',
      '01/x',
      '2/b',
    );
    assert.ok(listing !== undefined);
    assert.deepEqual(
      [...listing.files.keys()],
      ['01/x', '1/model.onnx', '2/b', '2/deep/weights', 'config.pbtxt'],
    );
    assert.equal(listing.bytes, 5);
    assert.deepEqual(versionFolders(listing), [
      { version: 1, files: ['model.onnx'] },
      { version: 2, files: ['b', 'deep'] },
      { version: 10, files: [] },
    ]);
    assert.deepEqual([...filesOf(listing, [1]).keys()], ['01/x', '1/model.onnx', 'config.pbtxt']);
  });

  it('changes its fingerprint with names, tokens, sizes and folders, not with the order', () => {
    const print = (...objects: StoredObject[]) => modelListing('m/', objects)?.fingerprint;
    const a = object('m/a');
    const b = object('m/b');
    const prints = [
      print(a, b),
      print(a),
      print(a, object('m/b', 'other')),
      print(a, object('m/b', 't', 2)),
      print(a, b, object('m/1/')),
    ];
    assert.equal(new Set(prints).size, prints.length);
    assert.equal(print(b, a), prints[0]);
  });

  it('is nothing without objects', () => assert.equal(list(), undefined));

  for (const key of [
    '../x',
    '1/../../x',
    '/etc/passwd',
    'a\\b',
    'a\0b',
    'a//b',
    './a',
    '1/.',
    'n'.repeat(300),
  ]) {
    it(`refuses ${JSON.stringify(key.slice(0, 20))}`, () => {
      assert.throws(() => list('config.pbtxt', key), {
        code: 'Internal',
        message: /^object ".*" is no file of a model: /,
      });
    });
  }

  it('refuses an object that lies inside another', () => {
    assert.throws(() => list('1/model.onnx', '1/model.onnx/weights'), {
      message: 'object "p/m/1/model.onnx" is no file of a model: others lie inside it',
    });
  });
});
