// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addonError } from '../../test/support/fake-engine.ts';
import { type LifecycleFixture, makeLifecycle } from '../../test/support/make-lifecycle.ts';
import { TempRepository } from '../../test/support/temp-repository.ts';
import { Namespaces } from './namespaces.ts';
import { RepositoryPoller } from './poller.ts';

const AMBIGUOUS = {
  code: 'InvalidArgument',
  message:
    "There are 2 identifiers of model 'both' in global map, model namespace must be provided to resolve ambiguity.",
};

/** Two repositories, each with `both` and a model of its own. */
class Pair implements Disposable {
  readonly one = new TempRepository();
  readonly two = new TempRepository();

  static async make(): Promise<Pair> {
    const pair = new Pair();
    for (const repository of [pair.one, pair.two]) await repository.addIdentity('both');
    await pair.one.addIdentity('only');
    await pair.two.addIdentity('other');
    return pair;
  }

  lifecycle(): LifecycleFixture {
    return makeLifecycle([this.one.path, this.two.path], { namespacing: true });
  }

  [Symbol.dispose](): void {
    this.one[Symbol.dispose]();
    this.two[Symbol.dispose]();
  }
}

describe('namespaces', () => {
  it('serve models of one name from two repositories, and refuse the name alone', async () => {
    using pair = await Pair.make();
    const { engine, lifecycle } = pair.lifecycle();
    assert.deepEqual(await lifecycle.start('*'), []);
    assert.equal(engine.plans.size, 4);
    assert.throws(() => lifecycle.find('both'), AMBIGUOUS);
    assert.deepEqual(lifecycle.served('both'), []);
    assert.equal(lifecycle.find('only').plan.metricTags['namespace'], pair.one.path);
    assert.equal(lifecycle.find('other').plan.metricTags['namespace'], pair.two.path);
    const both = engine.table.models.filter(({ name }) => name === 'both');
    assert.deepEqual(both, [
      { name: 'both', versions: [], unavailable: { code: 3, message: AMBIGUOUS.message } },
    ]);
    assert.deepEqual(
      (await lifecycle.index()).map(({ name, state }) => `${name} ${state}`).sort(),
      ['both READY', 'both READY', 'only READY', 'other READY'],
    );
  });

  it('answer an unknown name with another code than without', async () => {
    using pair = await Pair.make();
    const { engine, lifecycle } = pair.lifecycle();
    await lifecycle.start([]);
    const message = "Request for unknown model: 'nowhere' is not found";
    assert.throws(() => lifecycle.find('nowhere'), { code: 'InvalidArgument', message });
    assert.equal(engine.table.unknownModel, 3);
    await assert.rejects(lifecycle.load('nowhere'), {
      code: 'Internal',
      message: /^failed to load 'nowhere', failed to poll from model repository/,
    });
  });

  it('load and unload every model of a name', async () => {
    using pair = await Pair.make();
    const { engine, lifecycle } = pair.lifecycle();
    await lifecycle.start(['both']);
    assert.equal(engine.plans.size, 2);
    await lifecycle.unload('both');
    assert.throws(() => lifecycle.find('both'), { code: 'NotFound' });
    assert.equal(lifecycle.isReady, true);
    await lifecycle.load('both');
    assert.throws(() => lifecycle.find('both'), AMBIGUOUS);
    const config = '{"backend": "identity"}';
    await assert.rejects(lifecycle.load('both', { config }), AMBIGUOUS);
  });

  it('resolve a name that one repository serves after the other has unloaded it', async () => {
    using pair = await Pair.make();
    const { lifecycle } = pair.lifecycle();
    await lifecycle.start('*');
    await lifecycle.unload('both', undefined, pair.one.path);
    assert.equal(lifecycle.find('both').plan.metricTags['namespace'], pair.two.path);
  });

  it('tell the failure of one while the other serves', async () => {
    using pair = await Pair.make();
    const { lifecycle } = pair.lifecycle();
    await pair.two.write('both/config.pbtxt', 'nonsense');
    const [failure] = await lifecycle.start(['both']);
    assert.match(failure?.error.message ?? '', /failed to load 'both'/);
    assert.equal(lifecycle.allServed().length, 1);
    await assert.rejects(lifecycle.load('both'), /failed to load 'both'/);
  });

  it('are followed by a poller one by one', async () => {
    using pair = await Pair.make();
    const { engine, lifecycle, sources, logged } = pair.lifecycle();
    await lifecycle.start('*');
    const say = (text: string) => logged.push(text);
    const log = { error: say, info: say };
    const namespaces = new Namespaces(sources, true);
    const poller = new RepositoryPoller({ namespaces, lifecycle, intervalMs: 0, log });
    await pair.one.write('both/1/weights', 'new');
    await poller.poll();
    assert.equal(engine.events.filter((event) => event.startsWith('load both')).length, 3);
    await pair.one.remove('both');
    await poller.poll();
    assert.equal(lifecycle.find('both').plan.metricTags['namespace'], pair.two.path);
  });
});

describe('a name in two repositories without namespaces', () => {
  it('is not loaded, and the other models are', async () => {
    using pair = await Pair.make();
    const { engine, lifecycle } = makeLifecycle([pair.one.path, pair.two.path]);
    const failures = await lifecycle.start('*');
    assert.deepEqual(
      failures.map(({ name }) => name),
      ['both'],
    );
    assert.equal(engine.plans.size, 2);
    engine.loadErrors.set('both:1', addonError(13, 'not reached'));
    assert.deepEqual((await lifecycle.index())[0], {
      name: 'both',
      state: 'UNAVAILABLE',
      reason: 'model appears in two or more repositories',
    });
  });
});
