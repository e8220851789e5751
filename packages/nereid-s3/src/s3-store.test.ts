// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { clientConfig } from './client-config.ts';
import { toStoreError } from './errors.ts';
import { md5Of } from './s3-store.ts';

const named = (name: string, status?: number, code?: string): Error =>
  Object.assign(new Error('secret'), {
    name,
    ...(status === undefined ? {} : { $metadata: { httpStatusCode: status } }),
    ...(code === undefined ? {} : { code }),
  });

describe('toStoreError', () => {
  const cases: readonly [Error, problem: string, message: string][] = [
    [named('AccessDenied', 403), 'denied', 'AccessDenied, status 403'],
    [named('CredentialsProviderError'), 'denied', 'CredentialsProviderError'],
    [named('NoSuchBucket', 404), 'missing', 'NoSuchBucket, status 404'],
    [named('SlowDown', 503), 'busy', 'SlowDown, status 503'],
    [named('InternalError', 500), 'busy', 'InternalError, status 500'],
    [named('TooManyRequests', 429), 'busy', 'TooManyRequests, status 429'],
    [named('RequestTimeout', 400), 'busy', 'RequestTimeout, status 400'],
    [named('Error', undefined, 'ECONNRESET'), 'busy', 'ECONNRESET'],
    [named('TimeoutError'), 'busy', 'TimeoutError'],
    [named('PreconditionFailed', 412), 'changed', 'PreconditionFailed, status 412'],
    [named('PermanentRedirect', 301), 'failed', 'PermanentRedirect, status 301'],
    [named('<b>secret</b>'), 'failed', 'unknown error'],
  ];
  for (const [error, problem, message] of cases) {
    it(`calls ${message} ${problem}`, () => {
      const found = toStoreError(error);
      assert.deepEqual([found.problem, found.message], [problem, message]);
    });
  }

  it('calls an object changed that is gone since it was listed', () => {
    const gone = toStoreError(named('NoSuchKey', 404), { isConditional: true });
    assert.equal(gone.problem, 'changed');
  });
});

describe('md5Of', () => {
  it('takes the ETag of one piece alone', () => {
    assert.equal(md5Of('"d41d8cd98f00b204e9800998ecf8427e"'), '1B2M2Y8AsgTpgAmY7PhCfg==');
    for (const etag of ['"d41d8cd98f00b204e9800998ecf8427e-2"', '"x"', '', undefined]) {
      assert.equal(md5Of(etag), undefined);
    }
  });
});

describe('clientConfig', () => {
  const ENV = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'key', AWS_DEFAULT_REGION: 'r' };

  it('takes the keys of the environment, then its profile', () => {
    const keys = clientConfig({ bucket: 'b', env: { ...ENV, AWS_PROFILE: 'p' } });
    assert.deepEqual(keys.credentials, { accessKeyId: 'id', secretAccessKey: 'key' });
    assert.equal(keys.region, 'r');
    const profile = clientConfig({ bucket: 'b', env: { AWS_PROFILE: 'p' } });
    assert.equal(profile.profile, 'p');
    // It may have a region of its own.
    assert.equal('region' in profile, false);
    assert.equal(clientConfig({ bucket: 'b', env: {} }).region, 'us-east-1');
  });

  it('takes the entry of the credential file instead', () => {
    const credentials = {
      key_id: 'i',
      secret_key: 'k',
      session_token: 's',
      region: 'eu',
      profile: '',
    };
    const config = clientConfig({ bucket: 'b', credentials, env: ENV });
    assert.deepEqual(config.credentials, {
      accessKeyId: 'i',
      secretAccessKey: 'k',
      sessionToken: 's',
    });
    assert.equal(config.region, 'eu');
    assert.equal('credentials' in clientConfig({ bucket: 'b', credentials: {}, env: ENV }), false);
  });

  it('refuses an entry that is something else without repeating it', () => {
    for (const credentials of ['secret', 3, { key_id: 1 }, null]) {
      assert.throws(() => clientConfig({ bucket: 'b', credentials, env: {} }), {
        message: /^the credential file's entry for s3 is wrong: expected texts/,
      });
    }
  });

  it('names buckets in the path at a server of its own, and repeats nothing itself', () => {
    const config = clientConfig({ bucket: 'b', endpoint: 'http://h:1', env: {} });
    assert.deepEqual([config.endpoint, config.forcePathStyle], ['http://h:1', true]);
    assert.equal(config.maxAttempts, 1);
  });
});
