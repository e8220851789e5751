// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chooseSuites } from './lib/suites.mjs';
import { runSuites } from './test-run.ts';

const suite = (passed: number, failed = 0, skipped = 0) => ({
  name: 's',
  run: async () => ({ passed, failed, skipped }),
});

async function ended(suites: Parameters<typeof runSuites>[0], leftOut: readonly string[] = []) {
  const lines: string[] = [];
  const code = await runSuites(suites, leftOut, (line) => lines.push(line));
  return { code, last: lines.at(-1), lines };
}

describe('runSuites', () => {
  it('ends with one line of sums', async () => {
    const { code, last } = await ended([suite(3), suite(4)]);
    assert.deepEqual({ code, last }, { code: 0, last: '7 passed, 0 failed' });
  });

  it('fails when a test failed, was skipped or not', async () => {
    const { code, last } = await ended([suite(3, 1, 2)]);
    assert.deepEqual({ code, last }, { code: 1, last: '3 passed, 1 failed, 2 skipped' });
  });

  it('fails when a suite ran no test', async () => {
    const { code, last } = await ended([suite(1), suite(0)]);
    assert.deepEqual({ code, last }, { code: 1, last: '1 passed, 1 failed' });
  });

  it('fails when a suite breaks, and runs the next', async () => {
    const broken = { name: 'b', run: () => Promise.reject(new Error('no')) };
    const { code, last } = await ended([broken, suite(2)]);
    assert.deepEqual({ code, last }, { code: 1, last: '2 passed, 1 failed' });
  });

  it('counts what was left out, by name', async () => {
    const { code, last, lines } = await ended([suite(2)], ['packaging']);
    assert.deepEqual({ code, last }, { code: 0, last: '2 passed, 0 failed, 1 skipped' });
    assert.ok(lines.some((line) => line.includes('skipped: packaging')));
  });

  it('fails when there was nothing to run', async () => {
    assert.equal((await ended([])).code, 1);
  });
});

describe('chooseSuites', () => {
  const names = (choice: ReturnType<typeof chooseSuites>) => choice.run.map(({ name }) => name);

  it('runs everything but what runs on request', () => {
    const choice = chooseSuites([], {});
    assert.ok(names(choice).includes('conformance'));
    assert.ok(!names(choice).includes('sanitize'));
  });

  it('reads flags of the command line and those that npm kept for itself', () => {
    assert.deepEqual(names(chooseSuites(['--only=native,sanitize'], {})), ['native', 'sanitize']);
    const choice = chooseSuites(['--without=packaging'], { npm_config_without: 'triton' });
    assert.deepEqual(choice.leftOut, ['packaging']);
    assert.deepEqual(choice.withoutCounterparts, ['triton']);
    assert.ok(names(choice).includes('conformance'));
  });

  it('adds a suite that runs on request', () => {
    const all = names(chooseSuites(['--with=sanitize'], {}));
    assert.ok(all.includes('sanitize') && all.includes('unit'));
  });

  for (const argument of ['--only=nothing', '--with=triton', '--without=x', '--verbose']) {
    it(`complains about ${argument}`, () => {
      assert.match(chooseSuites([argument], {}).complaint ?? '', /is unknown/);
    });
  }
});
