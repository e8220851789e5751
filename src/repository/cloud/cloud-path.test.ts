// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type CloudPath, isCloudPath, parseCloudPath } from './cloud-path.ts';

describe('parseCloudPath', () => {
  const paths: readonly [path: string, parts: Partial<CloudPath>][] = [
    ['s3://b', { bucket: 'b', prefix: '' }],
    ['s3://b/', { bucket: 'b', prefix: '', location: 's3://b' }],
    ['s3://b/team/models', { bucket: 'b', prefix: 'team/models/' }],
    ['s3://b//team///models//', { prefix: 'team/models/', location: 's3://b/team/models' }],
    ['s3://10.0.0.1:9000/b/m', { endpoint: 'http://10.0.0.1:9000', bucket: 'b', prefix: 'm/' }],
    ['s3://http://minio:9000/b', { endpoint: 'http://minio:9000', bucket: 'b', prefix: '' }],
    ['s3://https://minio:9000/b/m', { endpoint: 'https://minio:9000', bucket: 'b', prefix: 'm/' }],
    ['s3://https://s3.example.org/b', { endpoint: 'https://s3.example.org', bucket: 'b' }],
    ['s3://[::1]:9000/b', { endpoint: 'http://[::1]:9000', bucket: 'b' }],
    ['gs://b/path', { scheme: 'gs', bucket: 'b', prefix: 'path/' }],
    ['as://acc/con', { scheme: 'as', account: 'acc', bucket: 'con', prefix: '' }],
    ['as://acc.blob.core.windows.net/con/a/b', { account: 'acc', bucket: 'con', prefix: 'a/b/' }],
  ];
  for (const [path, parts] of paths) {
    it(`takes ${path} apart`, () => {
      const parsed = parseCloudPath(path);
      assert.deepEqual({ ...parsed, ...parts }, parsed);
      assert.equal('endpoint' in parsed, 'endpoint' in parts);
    });
  }

  for (const path of [
    's3://',
    's3:///',
    's3://host:9000',
    's3://host:99999/b',
    's3://https://host:9000/',
    's3://b/../c',
    's3://key:secret@host:9000/b',
    's3://b/a\\b',
    's3://b/a?b',
    'gs://https://host/b',
    'gs://',
    'gs://host:9000/b',
    'as://account',
  ]) {
    it(`refuses ${path}`, () => {
      assert.throws(() => parseCloudPath(path), {
        code: 'InvalidArgument',
        message: /: expected /,
      });
    });
  }

  it('leaves folders of this machine alone', () => {
    for (const path of ['/models', 's3', './s3://b', 'S3://b'])
      assert.equal(isCloudPath(path), false);
    for (const path of ['s3://b', 'gs://b', 'as://a/b']) assert.equal(isCloudPath(path), true);
  });
});
