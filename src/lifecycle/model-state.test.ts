// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ModelPlan } from '../addon/model-plan.ts';
import type { ModelConfig } from '../config/model-config.ts';
import { ModelState, type ServedVersion } from './model-state.ts';

let nextHandle = 1;

function build(version: number): ServedVersion {
  const handle = nextHandle++;
  // The state machine looks at none of it.
  const config = {} as ModelConfig;
  const plan = {} as ModelPlan;
  return { version, handle, config, plan, loadSeconds: 0, loadedMs: 0 };
}

function loaded(...versions: number[]): { state: ModelState; builds: ServedVersion[] } {
  const state = new ModelState('m');
  const builds = versions.map(build);
  state.beginLoad(versions);
  state.finishLoad(builds);
  return { state, builds };
}

describe('ModelState', () => {
  it('is only a name before the first load', () => {
    const state = new ModelState('m');
    assert.deepEqual(state.rows(), [{ name: 'm' }]);
    assert.equal(state.dispatch(), undefined);
    assert.equal(state.isSatisfied, true);
  });

  it('goes from LOADING to READY', () => {
    const state = new ModelState('m');
    state.beginLoad([1, 3]);
    assert.deepEqual(
      state.rows().map((row) => row.state),
      ['LOADING', 'LOADING'],
    );
    assert.equal(state.isSatisfied, false);
    const builds = [build(1), build(3)];
    assert.deepEqual(state.finishLoad(builds), []);
    assert.deepEqual(
      state.rows().map((row) => [row.version, row.state]),
      [
        [1, 'READY'],
        [3, 'READY'],
      ],
    );
    assert.equal(state.isSatisfied, true);
    assert.deepEqual(
      state.dispatch()?.versions.map((one) => [one.version, one.handle, one.ready]),
      builds.map((one) => [one.version, one.handle, true]),
    );
  });

  it('keeps the reason of a failed first load, and is not satisfied', () => {
    const state = new ModelState('m');
    state.beginLoad([1, 2]);
    state.failLoad(new Map([[2, 'Internal: no luck']]));
    assert.deepEqual(state.rows(), [
      { name: 'm', version: 1, state: 'UNAVAILABLE', reason: 'unloaded' },
      { name: 'm', version: 2, state: 'UNAVAILABLE', reason: 'Internal: no luck' },
    ]);
    assert.equal(state.isSatisfied, false);
    state.beginUnload();
    assert.equal(state.isSatisfied, true);
  });

  it('keeps a reason without a version', () => {
    const state = new ModelState('m');
    state.failBeforeVersions('config.pbtxt:1:1: bad');
    assert.deepEqual(state.rows(), [
      { name: 'm', state: 'UNAVAILABLE', reason: 'config.pbtxt:1:1: bad' },
    ]);
    assert.equal(state.dispatch(), undefined);
    assert.equal(state.isSatisfied, false);
  });

  it('goes on serving while it is loaded again, and after that failed', () => {
    const { state, builds } = loaded(1);
    state.beginLoad([1, 2]);
    assert.equal(state.stateOf(1), 'READY');
    assert.equal(state.stateOf(2), 'LOADING');
    assert.deepEqual(state.served(), builds);
    state.failLoad(new Map([[2, 'Internal: no luck']]));
    assert.deepEqual(state.served(), builds);
    assert.equal(state.isSatisfied, true);
    assert.equal(state.stateOf(2), 'UNAVAILABLE');
  });

  it('gives back what a new build replaces, and forgets it when it is gone', () => {
    const { state, builds } = loaded(1, 2);
    const [one, two] = builds;
    const newTwo = build(2);
    const newThree = build(3);
    state.beginLoad([2, 3]);
    assert.deepEqual(state.finishLoad([newTwo, newThree]), [one, two]);
    assert.deepEqual(state.served(), [newTwo, newThree]);
    assert.equal(state.stateOf(1), 'UNLOADING');
    for (const old of builds) state.destroyed(old);
    assert.deepEqual(state.rows(), [
      { name: 'm', version: 1, state: 'UNAVAILABLE', reason: 'unloaded' },
      { name: 'm', version: 2, state: 'READY' },
      { name: 'm', version: 3, state: 'READY' },
    ]);
  });

  it('unloads: UNLOADING until the last request left, then UNAVAILABLE', () => {
    const { state, builds } = loaded(1);
    assert.deepEqual(state.beginUnload(), builds);
    assert.deepEqual(state.rows(), [{ name: 'm', version: 1, state: 'UNLOADING' }]);
    assert.deepEqual(state.served(), []);
    assert.equal(state.isSatisfied, true);
    assert.deepEqual(state.dispatch()?.versions, [{ version: 1, ready: false }]);
    for (const old of builds) state.destroyed(old);
    assert.deepEqual(state.rows(), [
      { name: 'm', version: 1, state: 'UNAVAILABLE', reason: 'unloaded' },
    ]);
  });

  it('is not disturbed by an old build that goes late', () => {
    const { state, builds } = loaded(1);
    state.beginUnload();
    state.beginLoad([1]);
    for (const old of builds) state.destroyed(old);
    assert.equal(state.stateOf(1), 'LOADING');
    const fresh = build(1);
    state.finishLoad([fresh]);
    assert.deepEqual(state.served(), [fresh]);
  });

  it('tells infer why no version serves', () => {
    const { state } = loaded(1);
    assert.deepEqual(state.dispatch()?.unavailable, {
      code: 5,
      message: "Request for unknown model: 'm' has no available versions",
    });
  });
});
