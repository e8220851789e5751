// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findCredentials, readCredentials } from './credentials.ts';

const FILE = JSON.stringify({
  gs: { '': '/keys/gs.json' },
  s3: { '': 1, 's3://b': 2, 's3://b/models': 3, 's3://bucket': 4 },
});

describe('findCredentials', () => {
  it('takes the longest prefix', () => {
    const found = ['s3://a', 's3://b', 's3://b/x', 's3://b/models/m', 's3://bucket/x'].map((path) =>
      findCredentials(FILE, 's3', path),
    );
    assert.deepEqual(found, [1, 2, 2, 3, 4]);
    assert.equal(findCredentials(FILE, 'gs', 'gs://any'), '/keys/gs.json');
  });

  it('refuses a path that no prefix fits, in the words of Triton', () => {
    assert.throws(() => findCredentials(FILE, 'as', 'as://a/b'), {
      code: 'InvalidArgument',
      message: 'Cannot match credential for path  as://a/b',
    });
  });

  it('never repeats what the file holds', () => {
    for (const text of ['{"s3": secret}', '"secret"', '{"s3": "secret"}', '["secret"]']) {
      assert.throws(
        () => findCredentials(text, 's3', 's3://b'),
        (thrown: Error) => !thrown.message.includes('secret'),
      );
    }
  });
});

describe('readCredentials', () => {
  it('leaves it to the environment where no file is named', async () => {
    assert.equal(await readCredentials('s3', 's3://b', {}), undefined);
  });

  it('says that the file cannot be read', async () => {
    const env = { TRITON_CLOUD_CREDENTIAL_PATH: '/nonexistent/file' };
    await assert.rejects(readCredentials('s3', 's3://b', env), {
      code: 'InvalidArgument',
      message: 'the file of TRITON_CLOUD_CREDENTIAL_PATH cannot be read: ENOENT',
    });
  });
});
