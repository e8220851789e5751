// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addonError, Gate } from '../../test/support/fake-engine.ts';
import { makeLifecycle, settle } from '../../test/support/make-lifecycle.ts';
import { TempRepository } from '../../test/support/temp-repository.ts';
import { Namespaces } from './namespaces.ts';
import { OnDemand, type OnDemandOptions } from './on-demand.ts';

const MIB = 1024 * 1024;

/** Every model takes 10 MiB, loads in no time, and the clock stands at `at`. */
function make(repository: TempRepository, options: Partial<OnDemandOptions> = {}) {
  const fixture = makeLifecycle([repository.path], { onDemand: true });
  const { engine, lifecycle, sources, logged } = fixture;
  const clock = { at: 1_000_000_000 };
  const used = new Map<string, number>();
  const onDemand = new OnDemand({
    lifecycle: {
      load: (name) => lifecycle.load(name),
      unload: (name) => lifecycle.unload(name),
      gone: (name) => lifecycle.gone(name),
      waive: (name) => lifecycle.waive(name),
      served: (name) => lifecycle.served(name),
      // What the machine's clock says of a load would decide on evictions.
      allServed: () =>
        lifecycle.allServed().map((served) => ({ ...served, loadSeconds: 0, loadedMs: 0 })),
    },
    namespaces: new Namespaces(sources, false),
    pinned: [],
    budgetBytes: 0,
    maxWaiting: 10,
    maxWaitingBytes: 1000,
    fullStatus: 'ResourceExhausted',
    statistics: () =>
      [...used].map(([name, ms]) => ({ name, lastInferenceMs: BigInt(ms), pending: 0n })),
    memoryBytes: () => engine.events.filter((event) => event.startsWith('load ')).length * 10 * MIB,
    now: () => clock.at,
    log: { info: (text) => logged.push(text) },
    ...options,
  });
  const serving = (): string[] => lifecycle.allServed().map(({ plan }) => plan.name);
  /** A request: the model is loaded, and used a second later. */
  const use = async (name: string): Promise<void> => {
    if (lifecycle.served(name).length === 0) await onDemand.demand(name);
    clock.at += 1000;
    used.set(name, clock.at);
  };
  return { ...fixture, onDemand, clock, serving, use };
}

const loads = (events: readonly string[]): string[] =>
  events.filter((event) => event.startsWith('load '));

describe('OnDemand', () => {
  it('loads a model once for everybody who asks for it meanwhile', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    const { engine, lifecycle, onDemand, serving } = make(repository);
    await lifecycle.start([]);
    assert.equal(engine.table.onDemand, true);
    engine.loadGate = new Gate();
    const calls = Array.from({ length: 5 }, () => onDemand.demand('m'));
    while (engine.runningLoads === 0) await settle();
    calls.push(onDemand.demand('m'));
    engine.loadGate.open();
    await Promise.all(calls);
    assert.deepEqual(loads(engine.events), ['load m:1 as 1']);
    assert.deepEqual(serving(), ['m']);
  });

  it('knows no model that no repository has, and no way out of it', async () => {
    using repository = new TempRepository();
    const { lifecycle, onDemand } = make(repository);
    await lifecycle.start([]);
    await assert.rejects(onDemand.demand('nowhere'), {
      code: 'NotFound',
      message: "Request for unknown model: 'nowhere' is not found",
    });
    await assert.rejects(onDemand.demand('../outside'), { code: 'InvalidArgument' });
    assert.deepEqual(lifecycle.knownRows(), []);
  });

  it('lets so many wait, with so many bytes', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    const { engine, lifecycle, onDemand } = make(repository, { maxWaiting: 2 });
    await lifecycle.start([]);
    const full = { code: 'ResourceExhausted', message: 'Exceeds maximum queue size' };
    engine.loadGate = new Gate();
    const first = onDemand.demand('m', 600);
    await assert.rejects(onDemand.demand('m', 401), full);
    const second = onDemand.demand('m', 400);
    await assert.rejects(onDemand.demand('m'), full);
    engine.loadGate.open();
    await Promise.all([first, second]);
    await onDemand.demand('m', 1000);
  });

  it('gives the place of who leaves to the next, and loads on', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    const { engine, lifecycle, onDemand, serving } = make(repository, { maxWaiting: 1 });
    await lifecycle.start([]);
    engine.loadGate = new Gate();
    const leaves = new AbortController();
    const first = onDemand.demand('m', 1000, leaves.signal);
    leaves.abort();
    await assert.rejects(first, { code: 'Cancelled' });
    const second = onDemand.demand('m', 1000);
    engine.loadGate.open();
    await second;
    assert.deepEqual(loads(engine.events), ['load m:1 as 1']);
    assert.deepEqual(serving(), ['m']);
  });

  it('remembers a failure for a while, until the folder changes, and stays ready', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    const { clock, engine, lifecycle, logged, onDemand } = make(repository);
    await lifecycle.start([]);
    engine.loadErrors.set('m:1', addonError(3, 'no model'));
    const failure = { code: 'Unavailable', message: /^load failed for model 'm': .*no model/ };
    const all = [1, 2, 3].map(() => assert.rejects(onDemand.demand('m'), failure));
    await Promise.all(all);
    assert.equal(engine.table.ready, true);
    const tries = () => logged.filter((line) => line.startsWith('loading')).length;
    await assert.rejects(onDemand.demand('m'), failure);
    assert.equal(tries(), 1);
    clock.at += 1000;
    await assert.rejects(onDemand.demand('m'), failure);
    assert.equal(tries(), 2);
    clock.at += 1000;
    await assert.rejects(onDemand.demand('m'), failure);
    assert.equal(tries(), 2);
    assert.match(JSON.stringify(await lifecycle.index()), /no model/);
    engine.loadErrors.clear();
    await repository.write('m/1/weights', 'new');
    await onDemand.demand('m');
    assert.equal(lifecycle.find('m').version, 1);
  });

  it('evicts what was used longest ago, and keeps to its budget', async () => {
    using repository = new TempRepository();
    for (const name of ['a', 'b', 'c', 'd']) await repository.addIdentity(name);
    const { engine, lifecycle, logged, serving, use } = make(repository, { budgetBytes: 30 * MIB });
    await lifecycle.start([]);
    for (const name of ['a', 'b', 'c', 'a']) await use(name);
    assert.deepEqual(serving(), ['a', 'b', 'c']);
    await use('d');
    assert.deepEqual(serving(), ['a', 'c', 'd']);
    assert.equal(engine.plans.size, 3);
    assert.ok(logged.includes("evicting 'b' (10.0 MiB, idle for 2 s) for 'd'"));
    await use('b');
    assert.deepEqual(serving(), ['a', 'b', 'd']);
  });

  it('never evicts what is pinned, and says what has no room', async () => {
    using repository = new TempRepository();
    for (const name of ['a', 'b', 'pinned']) await repository.addIdentity(name);
    await repository.write('pinned/1/weights', 'x'.repeat(15 * MIB));
    const budget = { budgetBytes: 20 * MIB, pinned: ['pinned'] };
    const { lifecycle, onDemand, serving } = make(repository, budget);
    await lifecycle.start(['pinned']);
    await assert.rejects(onDemand.demand('a'), {
      code: 'Unavailable',
      message:
        "model 'a' needs 10.0 MiB, which --on-demand-memory-mb=20 has no room for beside 15.0 MiB of pinned models",
    });
    assert.deepEqual(serving(), ['pinned']);
  });

  it('does not load again what cannot fit', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    const { engine, lifecycle, onDemand, serving } = make(repository, { budgetBytes: 5 * MIB });
    await lifecycle.start([]);
    const refusal = /needs 10\.0 MiB, which --on-demand-memory-mb=5 has no room for$/;
    await assert.rejects(onDemand.demand('m'), refusal);
    await assert.rejects(onDemand.demand('m'), refusal);
    assert.equal(loads(engine.events).length, 1);
    assert.deepEqual(serving(), []);
  });

  it('stops models from evicting each other for ever', async () => {
    using repository = new TempRepository();
    for (const name of ['a', 'b']) await repository.addIdentity(name);
    const { clock, lifecycle, serving, use } = make(repository, { budgetBytes: 10 * MIB });
    await lifecycle.start([]);
    for (let i = 0; i < 3; i++) {
      await use('a');
      await use('b');
    }
    await assert.rejects(use('a'), {
      code: 'Unavailable',
      message: /^model 'a' was evicted 3 times within 60 s: .* retry later$/,
    });
    assert.deepEqual(serving(), ['b']);
    clock.at += 60_000;
    await use('a');
    assert.deepEqual(serving(), ['a']);
  });
});
