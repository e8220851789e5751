// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addonError, type FakeEngine, Gate } from '../../test/support/fake-engine.ts';
import { makeLifecycle, settle } from '../../test/support/make-lifecycle.ts';
import { TempRepository } from '../../test/support/temp-repository.ts';
import { Namespaces } from './namespaces.ts';
import { RepositoryPoller } from './poller.ts';

function make(...repositories: TempRepository[]) {
  const fixture = makeLifecycle(repositories.map(({ path }) => path));
  const { sources, lifecycle, logged } = fixture;
  const namespaces = new Namespaces(sources, false);
  const log = {
    error: (text: string) => logged.push(`E ${text}`),
    info: (text: string) => logged.push(text),
  };
  const poller = new RepositoryPoller({ namespaces, lifecycle, intervalMs: 0, log });
  return { ...fixture, poller };
}

const loads = (engine: FakeEngine): string[] =>
  engine.events.filter((event) => event.startsWith('load '));

describe('RepositoryPoller', () => {
  it('loads what was added, reloads what changed, unloads what is gone, and nothing else', async () => {
    using repository = new TempRepository();
    for (const name of ['changed', 'gone', 'same']) await repository.addIdentity(name);
    const { engine, lifecycle, poller } = make(repository);
    await lifecycle.start('*');
    await poller.poll();
    assert.equal(loads(engine).length, 3);
    await repository.write('changed/1/weights', 'new');
    await repository.addIdentity('added');
    await repository.remove('gone');
    await poller.poll();
    // Both at once: which is first, and so its handle, is open.
    const loaded = loads(engine).slice(3);
    assert.deepEqual(loaded.map((event) => event.split(' ')[1]).sort(), ['added:1', 'changed:1']);
    assert.deepEqual(
      lifecycle.allServed().map(({ plan }) => plan.name),
      ['added', 'changed', 'same'],
    );
    assert.throws(() => lifecycle.find('gone'), { code: 'NotFound' });
    await poller.poll();
    assert.equal(loads(engine).length, 5);
  });

  it('follows versions that come and go', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m', [1]);
    const { lifecycle, poller } = make(repository);
    await lifecycle.start('*');
    await repository.write('m/3/weights', '');
    await poller.poll();
    assert.equal(lifecycle.find('m').version, 3);
    await repository.remove('m/3');
    await poller.poll();
    assert.equal(lifecycle.find('m').version, 1);
  });

  it('sees a file replaced by one of the same size and time', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    await repository.write('m/1/a', 'one');
    await repository.write('m/1/b', 'two');
    const { engine, lifecycle, poller } = make(repository);
    await lifecycle.start('*');
    const { rename, stat, utimes } = await import('node:fs/promises');
    const { atime, mtime } = await stat(`${repository.path}/m/1/a`);
    await rename(`${repository.path}/m/1/b`, `${repository.path}/m/1/a`);
    await repository.write('m/1/b', 'two');
    await utimes(`${repository.path}/m/1/a`, atime, mtime);
    await poller.poll();
    assert.equal(loads(engine).length, 2);
  });

  it('leaves what serves alone while a model is half copied, and takes it when it is whole', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    const { engine, lifecycle, logged, poller } = make(repository);
    await lifecycle.start('*');
    engine.loadErrors.set('m:1', addonError(3, 'the file ends early'));
    await repository.write('m/1/weights', 'hal');
    await poller.poll();
    assert.equal(lifecycle.find('m').handle, 1);
    assert.equal(lifecycle.isReady, true);
    assert.match(logged.at(-1) ?? '', /^E load failed for model 'm'.* the file ends early/s);
    engine.loadErrors.clear();
    await repository.write('m/1/weights', 'half and half');
    await poller.poll();
    assert.equal(lifecycle.find('m').handle, 2);
  });

  it('tries an unchanged model that failed again, less and less often', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    const { engine, lifecycle, logged, poller } = make(repository);
    engine.loadErrors.set('m:1', addonError(8, 'no memory'));
    await lifecycle.start('*');
    const tried: number[] = [];
    for (let poll = 1; poll <= 16; poll++) {
      const before = logged.length;
      await poller.poll();
      if (logged.length > before) tried.push(poll);
    }
    assert.deepEqual(tried, [1, 2, 4, 8, 16]);
    engine.loadErrors.clear();
    for (let poll = 17; poll <= 32; poll++) await poller.poll();
    assert.equal(lifecycle.find('m').version, 1);
  });

  it('joins a poll under way', async () => {
    using repository = new TempRepository();
    const { engine, lifecycle, poller } = make(repository);
    await lifecycle.start('*');
    await repository.addIdentity('m');
    engine.loadGate = new Gate();
    const first = poller.poll();
    while (engine.runningLoads === 0) await settle();
    await repository.addIdentity('later');
    assert.equal(poller.poll(), first);
    engine.loadGate.open();
    await first;
    assert.equal(loads(engine).length, 1);
    await poller.poll();
    assert.equal(loads(engine).length, 2);
  });

  it('unloads nothing when a repository cannot be read', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    const { lifecycle, logged, poller } = make(repository);
    await lifecycle.start('*');
    repository[Symbol.dispose]();
    await poller.poll();
    await poller.poll();
    assert.equal(lifecycle.find('m').version, 1);
    const complaints = logged.filter((line) => line.startsWith('E'));
    assert.equal(complaints.length, 1);
    assert.match(complaints[0] ?? '', /^E failed to poll model repository: cannot read .*ENOENT/);
    await repository.addIdentity('m');
    await poller.poll();
    assert.ok(logged.includes('polling the model repository again'));
  });

  it('goes on serving a model that a second repository brings too', async () => {
    using one = new TempRepository();
    using two = new TempRepository();
    await one.addIdentity('m');
    const { lifecycle, logged, poller } = make(one, two);
    await lifecycle.start('*');
    await two.addIdentity('m');
    await poller.poll();
    assert.match(logged.at(-1) ?? '', /model appears in two or more repositories/);
    assert.equal(lifecycle.find('m').handle, 1);
    await two.remove('m');
    await poller.poll();
    assert.equal(lifecycle.find('m').handle, 1);
  });

  it('polls by itself at its interval until it is disposed', async (t) => {
    using repository = new TempRepository();
    const { sources, lifecycle } = makeLifecycle([repository.path]);
    await lifecycle.start('*');
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const asked: string[] = [];
    let polled = 0;
    const watched = {
      load: async (name: string) => void asked.push(name),
      unload: async () => undefined,
      wanted: () => {
        polled += 1;
        return [];
      },
    };
    const log = { error: (text: string) => assert.fail(text), info: () => undefined };
    const namespaces = new Namespaces(sources, false);
    const options = { namespaces, lifecycle: watched, intervalMs: 1000, log };
    using poller = new RepositoryPoller(options);
    poller.start();
    await repository.addIdentity('m');
    t.mock.timers.tick(999);
    await settle();
    assert.equal(polled, 0);
    t.mock.timers.tick(1);
    while (asked.length === 0) await settle();
    await poller.poll();
    poller[Symbol.dispose]();
    const before = polled;
    t.mock.timers.tick(100_000);
    await settle();
    assert.equal(polled, before);
    assert.deepEqual(asked, ['m']);
  });
});
