// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addonError, Gate } from '../../test/support/fake-engine.ts';
import { makeLifecycle, settle } from '../../test/support/make-lifecycle.ts';
import { TempRepository } from '../../test/support/temp-repository.ts';
import { invalidArgument } from '../base/status.ts';
import { attemptLoad } from './attempts.ts';

describe('attemptLoad', () => {
  it('tries as often as it may, and answers with the last failure', async () => {
    const logged: string[] = [];
    const log = { info: () => undefined, error: (text: string) => logged.push(text) };
    let attempts = 0;
    const work = async () => {
      attempts += 1;
      throw invalidArgument(`no ${attempts}`);
    };
    const { signal } = new AbortController();
    await assert.rejects(attemptLoad(work, { what: "'m' version 1", retries: 2, signal, log }), {
      message: 'no 3',
    });
    assert.deepEqual(logged, [
      "failed to load 'm' version 1: Invalid argument: no 1 (attempt 1 of 3)",
      "failed to load 'm' version 1: Invalid argument: no 2 (attempt 2 of 3)",
    ]);
  });

  it('tries no more once its signal has fired', async () => {
    const stop = new AbortController();
    let attempts = 0;
    const work = async () => {
      attempts += 1;
      stop.abort();
      throw invalidArgument('no');
    };
    const log = { info: () => undefined, error: () => undefined };
    const { signal } = stop;
    await assert.rejects(attemptLoad(work, { what: 'm', retries: 99, signal, log }));
    assert.equal(attempts, 1);
  });

  it('says how long a load takes, less and less often', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const logged: string[] = [];
    const log = { info: (text: string) => logged.push(text), error: () => undefined };
    const gate = new Gate();
    const { signal } = new AbortController();
    const load = attemptLoad(() => gate.pass(), { what: "'m' version 1", retries: 0, signal, log });
    t.mock.timers.tick(9_999);
    assert.equal(logged.length, 0);
    t.mock.timers.tick(1);
    assert.match(logged[0] ?? '', /^still loading 'm' version 1 after \d+ s$/);
    t.mock.timers.tick(20_000);
    t.mock.timers.tick(39_999);
    assert.equal(logged.length, 2);
    gate.open();
    await load;
    t.mock.timers.tick(1_000_000);
    assert.equal(logged.length, 2);
  });
});

describe('retries of a load', () => {
  it('serve a model whose build fails once', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    const { engine, lifecycle, logged } = makeLifecycle([repository.path], { loadRetries: 1 });
    engine.loadErrors.set('m:1', addonError(8, 'no memory'));
    const started = lifecycle.start('*');
    while (!logged.some((line) => line.includes('attempt 1 of 2'))) await settle();
    engine.loadErrors.clear();
    assert.deepEqual(await started, []);
    assert.equal(lifecycle.find('m').version, 1);
  });

  it('do not repeat a configuration that is wrong', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m', [1], 'dynamic_batching { preferred_batch_size: 99 }');
    const { lifecycle, logged } = makeLifecycle([repository.path], { loadRetries: 5 });
    assert.equal((await lifecycle.start('*')).length, 1);
    assert.equal(
      logged.some((line) => line.includes('attempt')),
      false,
    );
  });
});
