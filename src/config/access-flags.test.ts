// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseOptions } from './options.ts';
import type { ServerOptions } from './server-options.ts';

function accept(...argv: string[]): ServerOptions {
  const parsed = parseOptions('tritonserver', argv, {});
  if (parsed.kind !== 'options') assert.fail(JSON.stringify(parsed));
  return parsed.options;
}

function refuse(...argv: string[]): string {
  const parsed = parseOptions('tritonserver', argv, {});
  if (parsed.kind !== 'error') assert.fail(`${argv} was taken`);
  return parsed.message;
}

describe('the flags of access', () => {
  it('are off under both names, but for what is public', () => {
    for (const program of ['tritonserver', 'nereid'] as const) {
      const parsed = parseOptions(program, [], {});
      assert.ok(parsed.kind === 'options');
      const { options } = parsed;
      assert.equal(options.apiKeysFile + options.jwtJwksUrl + options.jwtJwksFile, '');
      assert.equal(options.managementPort, undefined);
      assert.deepEqual(options.corsOrigins, []);
      assert.deepEqual(options.authPublicApis, ['health']);
      assert.equal(options.httpRequestDeadlines, program === 'nereid');
      assert.ok(!options.jwtAlgorithms.some((name) => name.startsWith('HS')));
    }
  });

  it('are read', () => {
    const options = accept(
      '--jwt-jwks-url=https://issuer.example/keys',
      '--jwt-algorithms=ES256, EdDSA',
      '--auth-public-apis=health,metrics,docs',
      '--management-port=9000',
      '--management-address=ipv6:[::1]',
      '--cors-origins=https://a.example,http://localhost:3000',
      '--http-request-deadlines',
    );
    assert.equal(options.jwtJwksUrl, 'https://issuer.example/keys');
    assert.deepEqual(options.jwtAlgorithms, ['ES256', 'EdDSA']);
    assert.deepEqual(options.authPublicApis, ['health', 'metrics', 'docs']);
    assert.equal(options.managementPort, 9000);
    assert.equal(options.managementAddress, '::1');
    assert.deepEqual(options.corsOrigins, ['https://a.example', 'http://localhost:3000']);
    assert.equal(options.httpRequestDeadlines, true);
    assert.deepEqual(accept('--auth-public-apis=none').authPublicApis, []);
    assert.deepEqual(accept('--cors-origins=*').corsOrigins, ['*']);
  });

  const wrong: [string, RegExp][] = [
    ['--jwt-jwks-url=issuer.example', /Expected an http or https URL/],
    ['--jwt-jwks-url=file:///etc/keys', /Expected an http or https URL/],
    ['--jwt-algorithms=HS256', /Expected some of RS256, .*Got HS256/],
    ['--jwt-algorithms=none', /Got none/],
    ['--auth-public-apis=everything', /Got everything/],
    ['--api-keys-file=', /Expected a value/],
    ['--cors-origins=a.example', /Expected an origin as browsers write it/],
    ['--cors-origins=https://a.example/', /Expected an origin/],
    ['--cors-origins=https://*.example', /Expected an origin/],
    ['--management-port=70000', /70000/],
  ];
  for (const [flag, message] of wrong) {
    it(`refuse ${flag}`, () => assert.match(refuse(flag), message));
  }

  it('do not go together as they like', () => {
    assert.match(
      refuse('--jwt-jwks-url=https://a.example', '--jwt-jwks-file=/keys'),
      /were both given/,
    );
    assert.match(
      refuse('--management-port=8000', '--management-address=0.0.0.0'),
      /cannot listen to HTTP requests and management requests at the same address and port/,
    );
  });
});
