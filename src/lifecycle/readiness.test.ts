// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { statisticsOf } from '../../test/support/fake-engine.ts';
import { makeLifecycle } from '../../test/support/make-lifecycle.ts';
import { TempRepository } from '../../test/support/temp-repository.ts';
import type { ReadinessPolicy } from '../config/flags/repository.ts';

/** `good` serves, the configuration of `garbled` cannot be read, `empty` has no version, `absent` is nowhere. */
async function start(readinessPolicy: ReadinessPolicy, names: readonly string[]) {
  const repository = new TempRepository();
  await repository.addIdentity('good');
  await repository.addIdentity('other');
  await repository.write('garbled/config.pbtxt', 'backend: "identity" {');
  await repository.write('garbled/1/x', '');
  await repository.addIdentity('empty', []);
  const fixture = makeLifecycle([repository.path], { readinessPolicy });
  await fixture.lifecycle.start(names);
  return { ...fixture, [Symbol.dispose]: () => repository[Symbol.dispose]() };
}

const CASES: readonly [ReadinessPolicy, readonly string[], readonly string[]][] = [
  [{ kind: 'all' }, ['good', 'other'], []],
  [{ kind: 'all' }, ['good', 'garbled', 'absent', 'empty'], ['absent', 'empty', 'garbled']],
  [{ kind: 'known' }, ['good', 'garbled', 'absent'], []],
  [{ kind: 'known' }, ['good', 'empty'], ['empty']],
  [{ kind: 'any' }, ['good', 'garbled', 'empty'], []],
  [{ kind: 'any' }, ['garbled', 'empty'], ['empty', 'garbled']],
  [{ kind: 'any' }, [], []],
  [{ kind: 'listed', names: ['good'] }, ['good', 'garbled'], []],
  [{ kind: 'listed', names: ['good', 'other'] }, ['good'], ['other']],
];

describe('readiness', () => {
  for (const [policy, names, waitsFor] of CASES) {
    it(`${policy.kind}: of ${names.join(' ')} waits for ${waitsFor.join(' ')}`, async () => {
      using fixture = await start(policy, names);
      const readiness = fixture.lifecycle.readiness();
      assert.deepEqual(readiness.waitsFor, waitsFor);
      assert.equal(readiness.isReady, waitsFor.length === 0);
      assert.equal(fixture.engine.table.ready, waitsFor.length === 0);
    });
  }

  it('is told to the I/O threads when a load fails before anything is built', async () => {
    using fixture = await start({ kind: 'all' }, ['good']);
    assert.equal(fixture.engine.table.ready, true);
    await assert.rejects(fixture.lifecycle.load('garbled'));
    assert.equal(fixture.engine.table.ready, false);
    await fixture.lifecycle.unload('garbled');
    assert.equal(fixture.engine.table.ready, true);
  });

  it('needs an instance that works of each build that counts', async () => {
    using all = await start({ kind: 'all' }, ['good', 'other']);
    // In whatever order they were loaded.
    assert.deepEqual([...all.lifecycle.readiness().needs].sort(), [[1], [2]]);
    using any = await start({ kind: 'any' }, ['good', 'other']);
    assert.deepEqual(
      any.lifecycle.readiness().needs.map((list) => [...list].sort()),
      [[1, 2]],
    );
  });
});

describe('instances that do not serve', () => {
  const instance = { reason: 'gone', failedAttempts: 1, poisonings: 1 };

  it('show in the index, and a load builds anew when all of them are lost', async () => {
    using fixture = await start({ kind: 'all' }, ['good']);
    const { engine, lifecycle } = fixture;
    const handle = lifecycle.served('good')[0]?.handle ?? 0;
    const row = async () => (await lifecycle.index()).find(({ name }) => name === 'good');
    const set = (...states: ('serving' | 'poisoned' | 'lost')[]): void => {
      const instances = states.map((state) => ({ ...instance, state }));
      const canServe = states.includes('serving');
      engine.statistics = [{ ...statisticsOf('good', 1), handle, instances, canServe }];
    };
    set('serving', 'poisoned');
    assert.deepEqual(await row(), {
      name: 'good',
      version: 1,
      state: 'READY',
      reason: 'instance 1 is poisoned: gone',
    });
    set('poisoned', 'lost');
    assert.equal((await row())?.state, 'UNAVAILABLE');
    await lifecycle.load('good');
    assert.equal(lifecycle.served('good')[0]?.handle, handle);
    set('lost', 'lost');
    await lifecycle.load('good');
    assert.notEqual(lifecycle.served('good')[0]?.handle, handle);
  });
});
