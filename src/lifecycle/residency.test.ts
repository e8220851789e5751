// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chooseEvictions, type Resident, ThrashGuard } from './residency.ts';

const resident = (name: string, more: Partial<Resident> = {}): Resident => ({
  name,
  bytes: 100,
  loadSeconds: 1,
  idleMs: 1000,
  isBusy: false,
  ...more,
});

const names = (residents: readonly Resident[], excessBytes: number): string[] | undefined =>
  chooseEvictions(residents, excessBytes)?.map(({ name }) => name);

describe('chooseEvictions', () => {
  it('takes what was idle longest', () => {
    const all = [resident('a'), resident('b', { idleMs: 5000 }), resident('c', { idleMs: 9000 })];
    assert.deepEqual(names(all, 100), ['c']);
    assert.deepEqual(names(all, 150), ['c', 'b']);
  });

  it('keeps what is slow to load again for each of its bytes', () => {
    const slow = resident('slow', { loadSeconds: 60, idleMs: 9000 });
    assert.deepEqual(names([slow, resident('quick')], 50), ['quick']);
    const large = resident('large', { bytes: 100_000, loadSeconds: 60, idleMs: 9000 });
    assert.deepEqual(names([large, resident('quick')], 50), ['large']);
  });

  it('takes what is busy last', () => {
    const busy = resident('busy', { isBusy: true, idleMs: 99_000 });
    assert.deepEqual(names([busy, resident('idle')], 100), ['idle']);
    assert.deepEqual(names([busy, resident('idle')], 101), ['idle', 'busy']);
  });

  it('spares a small one when a large one is enough', () => {
    const all = [resident('small', { bytes: 10, idleMs: 99_000 }), resident('large')];
    assert.deepEqual(names(all, 100), ['large']);
  });

  it('says when all of them are not enough', () => {
    assert.equal(names([resident('a')], 101), undefined);
    assert.deepEqual(names([resident('a')], 0), []);
    assert.equal(names([resident('nothing', { bytes: 0 })], 1), undefined);
  });
});

describe('ThrashGuard', () => {
  it('holds a model back that was evicted too often of late', () => {
    const guard = new ThrashGuard(2, 1000);
    guard.evicted('m', 0);
    assert.equal(guard.isThrashing('m', 10), false);
    guard.evicted('m', 500);
    assert.equal(guard.isThrashing('m', 900), true);
    assert.equal(guard.isThrashing('other', 900), false);
    assert.equal(guard.isThrashing('m', 1001), false);
  });
});
