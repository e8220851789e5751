// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { AUDIENCE, forge, ISSUER, TokenIssuer } from '../../test/support/token-issuer.ts';
import type { TokenVerdict } from '../addon/access-policy.ts';
import { TokenJudge, type TokenRules } from './token-judge.ts';

const RULES: TokenRules = {
  issuer: ISSUER,
  audience: AUDIENCE,
  algorithms: ['RS256', 'ES256'],
  scopesClaim: 'scope',
  modelsClaim: '',
};
const UNAUTHENTICATED = 16;
const UNAVAILABLE = 14;
const now = (): number => Math.floor(Date.now() / 1000);

describe('TokenJudge', () => {
  let issuer: TokenIssuer;
  let judge: TokenJudge;

  before(async () => {
    issuer = await TokenIssuer.start();
    judge = new TokenJudge(RULES, { url: issuer.url });
    await judge.ready();
  });

  after(() => issuer?.[Symbol.asyncDispose]());

  const refusal = async (token: string): Promise<string> => {
    const verdict = await judge.judge(token);
    assert.equal(verdict.code, UNAUTHENTICATED, JSON.stringify(verdict));
    assert.ok(verdict.lifetimeMs > 0 && verdict.lifetimeMs <= 10_000);
    return 'message' in verdict ? verdict.message : '';
  };

  it('grants what the claims say, for minutes at most', async () => {
    const verdict = await judge.judge(await issuer.token());
    assert.deepEqual(verdict, { code: 0, scopes: ['infer'], models: ['*'], lifetimeMs: 300_000 });
    const soon = await judge.judge(
      await issuer.token({ exp: now() + 60, scope: 'openid metrics manage' }),
    );
    assert.deepEqual('scopes' in soon && soon.scopes, ['manage', 'metrics']);
    assert.ok(soon.lifetimeMs > 50_000 && soon.lifetimeMs <= 60_000);
    const none = await judge.judge(await issuer.token({ scope: 7 }));
    assert.deepEqual('scopes' in none && none.scopes, []);
  });

  it('takes models from the claim that was named', async () => {
    const strict = new TokenJudge(
      { ...RULES, scopesClaim: 'roles', modelsClaim: 'models' },
      { keys: issuer.keySet() },
    );
    const claims = { roles: ['infer', 'x'], models: ['a', 'b-*', 5] };
    assert.deepEqual(await strict.judge(await issuer.token(claims)), {
      code: 0,
      scopes: ['infer'],
      models: ['a', 'b-*'],
      lifetimeMs: 300_000,
    });
    const without = await strict.judge(await issuer.token({ roles: ['infer'] }));
    assert.deepEqual('models' in without && without.models, []);
  });

  it('refuses tokens that have expired, are early, or are for others', async () => {
    assert.equal(await refusal(await issuer.token({ exp: now() - 60 })), 'the token has expired');
    for (const claims of [
      { aud: 'billing' },
      { iss: 'https://other.test' },
      { nbf: now() + 600 },
      { exp: undefined as never },
      { aud: undefined as never },
    ]) {
      assert.match(await refusal(await issuer.token(claims)), /^a claim of the token is missing/);
    }
  });

  it('refuses tokens that nobody has signed, or with the public key for a secret', async () => {
    const claims = { iss: ISSUER, aud: AUDIENCE, exp: now() + 600, scope: 'infer' };
    const pem = await issuer.publicPem();
    const hmac = (input: string): string =>
      createHmac('sha256', pem).update(input).digest('base64url');
    const whole = await issuer.token();
    for (const token of [
      forge({ alg: 'none' }, claims, () => ''),
      forge({ alg: 'none', kid: '1' }, claims, () => 'AAAA'),
      forge({ alg: 'HS256', kid: '1' }, claims, hmac),
      forge({ alg: 'RS256', kid: '1' }, claims, hmac),
      forge({ alg: 'PS256', kid: '1' }, claims, hmac),
      forge({ alg: 'RS256', kid: '1', crit: ['x'], x: 1 }, claims, hmac),
      forge({ alg: 'RS256', kid: '1', b64: false, crit: ['b64'] }, claims, hmac),
      `${whole.slice(0, -4)}AAAA`,
      whole.replace(/\.[^.]*\./, `.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.`),
      'a.b.c',
      '..',
    ]) {
      assert.equal(await refusal(token), 'the API key or token is not valid', token.slice(0, 40));
    }
  });

  it('follows a rotation, and asks for keys once in a while however many tokens name unknown ones', async () => {
    await using own = await TokenIssuer.start();
    const patient = new TokenJudge(RULES, { url: own.url });
    const old = await own.token();
    assert.equal((await patient.judge(old)).code, 0);
    assert.equal(own.fetches, 1);
    const strangers = Array.from({ length: 200 }, () =>
      forge({ alg: 'RS256', kid: randomBytes(4).toString('hex') }, { exp: now() + 60 }, () => 'AA'),
    );
    for (const verdict of await Promise.all(strangers.map((token) => patient.judge(token)))) {
      assert.equal(verdict.code, UNAUTHENTICATED);
    }
    assert.ok(own.fetches <= 2, `${own.fetches} fetches`);
    await own.rotate(true, 'ES256');
    const fresh = new TokenJudge(RULES, { url: own.url });
    assert.equal((await fresh.judge(await own.token())).code, 0);
    assert.equal((await fresh.judge(old)).code, 0);
    await own.rotate(false);
    const strict = new TokenJudge(RULES, { url: own.url });
    assert.equal((await strict.judge(old)).code, UNAUTHENTICATED);
  });

  it('says that the keys cannot be fetched, and nothing about the token', async () => {
    await using own = await TokenIssuer.start();
    const token = await own.token();
    const unreachable = async (source: string): Promise<TokenVerdict> =>
      new TokenJudge(RULES, { url: source }).judge(token);
    for (const failure of [
      { status: 500, body: 'no' },
      { status: 200, body: 'no JSON' },
      { status: 200, body: '{"keys":5}' },
    ]) {
      own.failure = failure;
      assert.deepEqual(await unreachable(own.url), {
        code: UNAVAILABLE,
        message: 'the keys that sign tokens cannot be fetched now, retry later',
        lifetimeMs: 0,
      });
    }
    const { url } = own;
    await own[Symbol.asyncDispose]();
    assert.equal((await unreachable(url)).code, UNAVAILABLE);
  });

  it('leaves an issuer that failed alone for a moment', async () => {
    await using own = await TokenIssuer.start();
    own.failure = { status: 500, body: '' };
    const burst = new TokenJudge(RULES, { url: own.url });
    await burst.judge(await own.token());
    const before = own.fetches;
    for (let i = 0; i < 50; i++) await burst.judge(await own.token({ jti: String(i) }));
    // A retry is due once a second, however slow this machine is.
    assert.ok(own.fetches - before < 50, `${own.fetches - before} fetches`);
  });

  it('verifies a token once at a time', async () => {
    const token = await issuer.token();
    const [one, two] = [judge.judge(token), judge.judge(token)];
    assert.equal(one, two);
    assert.equal((await one).code, 0);
    assert.notEqual(judge.judge(token), one);
  });

  it('refuses a file that is no key set, and keeps the keys it had', async () => {
    await assert.rejects(new TokenJudge(RULES, { keys: '{}' }).ready(), /no JSON Web Key Set/);
    const own = new TokenJudge(RULES, { keys: issuer.keySet() });
    await assert.rejects(own.replaceKeys({ keys: 'nonsense' }), /no JSON Web Key Set/);
    assert.equal((await own.judge(await issuer.token())).code, 0);
  });
});
