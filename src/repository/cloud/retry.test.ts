// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StoreProblem } from './object-store.ts';
import { pauseMs, withRetries } from './retry.ts';
import { storeError, storeFailure } from './store-error.ts';

function failing(problem: StoreProblem, times: number) {
  let calls = 0;
  const pauses: number[] = [];
  const work = async (): Promise<number> => {
    calls += 1;
    if (calls <= times) throw storeError(problem, 'no');
    return calls;
  };
  const run = (signal = new AbortController().signal) =>
    withRetries(work, {
      attempts: 4,
      signal,
      random: () => 1,
      pause: async (ms) => {
        pauses.push(ms);
      },
    });
  return { run, pauses, calls: () => calls };
}

describe('withRetries', () => {
  it('repeats what was busy, with pauses that double', async () => {
    const busy = failing('busy', 3);
    assert.equal(await busy.run(), 4);
    assert.deepEqual(busy.pauses, [200, 400, 800]);
  });

  it('gives up after its attempts', async () => {
    const busy = failing('busy', 9);
    await assert.rejects(busy.run(), { problem: 'busy' });
    assert.equal(busy.calls(), 4);
  });

  for (const problem of ['denied', 'missing', 'changed', 'failed'] as const) {
    it(`does not repeat what was ${problem}`, async () => {
      const once = failing(problem, 9);
      await assert.rejects(once.run(), { problem });
      assert.equal(once.calls(), 1);
    });
  }

  it('does not begin when the signal has fired', async () => {
    const busy = failing('busy', 9);
    await assert.rejects(busy.run(AbortSignal.abort()), { name: 'AbortError' });
    assert.equal(busy.calls(), 0);
  });

  it('waits a random part of a bound', () => {
    assert.equal(pauseMs(1, 0), 0);
    assert.equal(pauseMs(3, 0.5), 400);
    assert.equal(pauseMs(60, 1), 10_000);
  });
});

describe('storeFailure', () => {
  it('asks to come again only for what may pass', () => {
    const codes = (['busy', 'changed', 'denied', 'missing', 'failed'] as const).map(
      (problem) => storeFailure('list', storeError(problem, 'x')).code,
    );
    assert.deepEqual(codes, ['Unavailable', 'Unavailable', 'Internal', 'Internal', 'Internal']);
    assert.equal(
      storeFailure("list 's3://b'", new Error('odd')).message,
      "cannot list 's3://b': the store refused (odd)",
    );
  });
});
