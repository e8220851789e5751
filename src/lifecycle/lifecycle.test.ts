// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addonError, Gate } from '../../test/support/fake-engine.ts';
import { makeLifecycle, settle } from '../../test/support/make-lifecycle.ts';
import { TempRepository } from '../../test/support/temp-repository.ts';

describe('ModelLifecycle', () => {
  it('loads every model at the start and is ready then', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('a');
    await repository.addIdentity('b', [1, 2], 'version_policy { all {} }');
    const { engine, lifecycle } = makeLifecycle([repository.path]);
    assert.equal(lifecycle.isReady, false);
    assert.deepEqual(await lifecycle.start('*'), []);
    assert.equal(engine.table.ready, true);
    assert.deepEqual(
      engine.table.models
        .map((model) => [model.name, model.versions.map((one) => one.version)])
        .sort(),
      [
        ['a', [1]],
        ['b', [1, 2]],
      ],
    );
    assert.deepEqual(
      (await lifecycle.index()).map((row) => [row.name, row.version, row.state]),
      [
        ['a', 1, 'READY'],
        ['b', 1, 'READY'],
        ['b', 2, 'READY'],
      ],
    );
  });

  it('answers a load only when every I/O thread has the table', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    const { engine, lifecycle } = makeLifecycle([repository.path]);
    await lifecycle.start([]);
    engine.loadGate = new Gate();
    let isAnswered = false;
    const load = lifecycle.load('m').then(() => {
      isAnswered = true;
    });
    while (engine.runningLoads === 0) await settle();
    // From here on only the swap that brings the new version is held back.
    engine.publishGate = new Gate();
    engine.loadGate.open();
    while (engine.plans.size === 0) await settle();
    await settle();
    assert.equal(isAnswered, false);
    engine.publishGate.open();
    await load;
    assert.equal(engine.table.models[0]?.versions[0]?.ready, true);
  });

  it('does nothing when nothing changed, and builds anew when a file did', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    const { engine, lifecycle } = makeLifecycle([repository.path]);
    await lifecycle.start('*');
    await lifecycle.load('m');
    assert.equal(engine.plans.size, 1);
    await repository.write('m/1/weights', 'new');
    await lifecycle.load('m');
    assert.deepEqual(
      engine.events.filter((event) => /^(un)?load/.test(event)),
      ['load m:1 as 1', 'load m:1 as 2', 'unload 1'],
    );
  });

  it('publishes the new build before the old one goes', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    const { engine, lifecycle } = makeLifecycle([repository.path]);
    await lifecycle.start('*');
    engine.unloadGate = new Gate();
    await repository.write('m/1/weights', 'new');
    await lifecycle.load('m');
    assert.equal(engine.table.models[0]?.versions[0]?.handle, 2);
    assert.equal(engine.plans.size, 2);
    engine.unloadGate.open();
    await settle();
    assert.deepEqual([...engine.plans.keys()], [2]);
  });

  it('keeps the old version when a reload fails, and stays ready', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    const { engine, lifecycle } = makeLifecycle([repository.path]);
    await lifecycle.start('*');
    await repository.write('m/1/weights', 'new');
    engine.loadErrors.set('m:1', addonError(13, 'no luck'));
    await assert.rejects(lifecycle.load('m'), {
      code: 'InvalidArgument',
      message: "load failed for model 'm': version 1 is at UNAVAILABLE state: Internal: no luck;\n",
    });
    assert.equal(lifecycle.find('m').handle, 1);
    assert.equal(engine.table.ready, true);
    await repository.write('m/config.pbtxt', 'nonsense');
    await assert.rejects(lifecycle.load('m'), { code: 'Internal' });
    assert.equal(lifecycle.find('m').handle, 1);
    assert.equal(lifecycle.isReady, true);
  });

  it('serves none of the versions when one of them fails', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m', [1, 2], 'version_policy { all {} }');
    const { engine, lifecycle } = makeLifecycle([repository.path]);
    engine.loadErrors.set('m:2', addonError(3, 'bad file'));
    const [failure] = await lifecycle.start('*');
    assert.equal(
      failure?.error.message,
      "load failed for model 'm': version 2 is at UNAVAILABLE state: Invalid argument: bad file;\n",
    );
    assert.equal(engine.plans.size, 0);
    assert.deepEqual(await lifecycle.index(), [
      { name: 'm', version: 1, state: 'UNAVAILABLE', reason: 'unloaded' },
      { name: 'm', version: 2, state: 'UNAVAILABLE', reason: 'Invalid argument: bad file' },
    ]);
  });

  it('is not ready after a failed first load, until that name loads or is unloaded', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    const { engine, lifecycle } = makeLifecycle([repository.path]);
    engine.loadErrors.set('m:1', addonError(13, 'no luck'));
    await lifecycle.start('*');
    assert.equal(engine.table.ready, false);
    engine.loadErrors.clear();
    await lifecycle.load('m');
    assert.equal(engine.table.ready, true);
    engine.loadErrors.set('m:1', addonError(13, 'no luck'));
    await lifecycle.unload('m');
    await assert.rejects(lifecycle.load('m'));
    assert.equal(engine.table.ready, false);
    await lifecycle.unload('m');
    assert.equal(engine.table.ready, true);
  });

  it('is ready whatever failed when readiness is not strict', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    const { engine, lifecycle } = makeLifecycle([repository.path], { strictReadiness: false });
    engine.loadErrors.set('m:1', addonError(13, 'no luck'));
    await lifecycle.start('*');
    assert.equal(engine.table.ready, true);
  });

  it('tells what is wrong with a configuration after the words of Triton, and lists it', async () => {
    using repository = new TempRepository();
    await repository.write('m/config.pbtxt', 'max_batch_size: 8\nnonsense: 1\n');
    await repository.write('m/1/x', '');
    const { lifecycle } = makeLifecycle([repository.path]);
    const [failure] = await lifecycle.start('*');
    assert.equal(failure?.error.code, 'Internal');
    assert.match(
      failure?.error.message ?? '',
      /^failed to load 'm', failed to poll from model repository: m\/config\.pbtxt:2:1: /,
    );
    const [row] = await lifecycle.index();
    assert.equal(row?.state, 'UNAVAILABLE');
    assert.match(row?.reason ?? '', /^m\/config\.pbtxt:2:1: /);
    assert.throws(() => lifecycle.find('m'), {
      code: 'NotFound',
      message: "Request for unknown model: 'm' is not found",
    });
  });

  it('refuses a model without a version that its policy names', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m', [1], 'version_policy { specific { versions: [ 3 ] } }');
    const { lifecycle } = makeLifecycle([repository.path]);
    await lifecycle.start([]);
    await assert.rejects(lifecycle.load('m'), {
      code: 'InvalidArgument',
      message:
        "load failed for model 'm': at least one version must be available under the version policy of model 'm'\n",
    });
    assert.equal((await lifecycle.index())[0]?.state, 'UNAVAILABLE');
  });

  it('keeps nothing of names that no repository has', async () => {
    using repository = new TempRepository();
    const { engine, lifecycle } = makeLifecycle([repository.path]);
    await lifecycle.start([]);
    await assert.rejects(lifecycle.load('nosuch'), {
      code: 'Internal',
      message: /^failed to load 'nosuch', failed to poll from model repository/,
    });
    await lifecycle.unload('nosuch');
    assert.deepEqual(await lifecycle.index(), []);
    assert.deepEqual(engine.table.models, []);
    assert.equal(engine.table.ready, true);
    await assert.rejects(lifecycle.load('../x'), { code: 'InvalidArgument' });
  });

  it('is not ready when a model named for the start does not exist', async () => {
    using repository = new TempRepository();
    const { engine, lifecycle } = makeLifecycle([repository.path]);
    const failures = await lifecycle.start(['nosuch']);
    assert.equal(failures.length, 1);
    assert.equal(engine.table.ready, false);
    assert.deepEqual(
      (await lifecycle.index()).map((row) => [row.name, row.state]),
      [['nosuch', 'UNAVAILABLE']],
    );
  });

  it('does not serve a model that two repositories hold', async () => {
    using one = new TempRepository();
    using two = new TempRepository();
    await one.addIdentity('m');
    await two.addIdentity('m');
    const { lifecycle } = makeLifecycle([one.path, two.path]);
    const failures = await lifecycle.start('*');
    assert.equal(failures.length, 1);
    assert.deepEqual(await lifecycle.index(), [
      { name: 'm', state: 'UNAVAILABLE', reason: 'model appears in two or more repositories' },
    ]);
  });

  it('unloads at once for new requests, and in the background for those in flight', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    const { engine, lifecycle } = makeLifecycle([repository.path]);
    await lifecycle.start('*');
    engine.unloadGate = new Gate();
    await lifecycle.unload('m');
    assert.deepEqual(engine.table.models[0]?.versions, [{ version: 1, ready: false }]);
    assert.equal((await lifecycle.index())[0]?.state, 'UNLOADING');
    assert.throws(() => lifecycle.find('m'), {
      code: 'NotFound',
      message: /has no available versions$/,
    });
    assert.throws(() => lifecycle.find('m', 1), { code: 'Unavailable' });
    engine.unloadGate.open();
    await settle();
    assert.deepEqual(await lifecycle.index(), [
      { name: 'm', version: 1, state: 'UNAVAILABLE', reason: 'unloaded' },
    ]);
  });

  it('takes a configuration from the caller, and goes back to the folder with the next load', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    const { engine, lifecycle } = makeLifecycle([repository.path]);
    await lifecycle.start('*');
    const config = JSON.stringify({
      backend: 'identity',
      maxBatchSize: 2,
      input: [{ name: 'IN', data_type: 'TYPE_INT32', dims: ['-1'] }],
      output: [{ name: 'OUT', data_type: 'TYPE_INT32', dims: [-1] }],
    });
    await lifecycle.load('m', { config });
    assert.equal(lifecycle.find('m').plan.maxBatchSize, 2);
    await lifecycle.load('m');
    assert.equal(lifecycle.find('m').plan.maxBatchSize, 8);
    await settle();
    assert.equal(engine.plans.size, 1);
    await assert.rejects(lifecycle.load('m', { config: '{x' }), {
      code: 'Internal',
      message:
        /^failed to load 'm', failed to poll from model repository: Invalid config override: config:1:2: /,
    });
    await assert.rejects(
      lifecycle.load('m', { config: '{"backend":"identity","input":[{"name":"x"}]}' }),
      {
        code: 'InvalidArgument',
        message:
          /^load failed for model 'm': version 1 is at UNAVAILABLE state: Invalid argument: config:1:\d+: input\[0\]: model input 'x' must specify 'data_type' for m;\n$/,
      },
    );
    assert.equal(lifecycle.find('m').plan.maxBatchSize, 8);
  });

  it('runs loads of one model one after the other, of several up to the limit', async () => {
    using repository = new TempRepository();
    const names = ['a', 'b', 'c', 'd', 'e'];
    for (const name of names) await repository.addIdentity(name);
    const { engine, lifecycle } = makeLifecycle([repository.path], { loadThreads: 2 });
    engine.loadGate = new Gate();
    const start = lifecycle.start('*');
    const again = lifecycle.load('a');
    while (engine.runningLoads < 2) await settle();
    engine.loadGate.open();
    await Promise.all([start, again]);
    assert.equal(engine.mostRunningLoads, 2);
    assert.equal(engine.plans.size, names.length);
  });

  it('finds the highest version, or the one asked for', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m', [1, 3, 10], 'version_policy { all {} }');
    const { lifecycle } = makeLifecycle([repository.path]);
    await lifecycle.start('*');
    assert.equal(lifecycle.find('m').version, 10);
    assert.equal(lifecycle.find('m', 3).version, 3);
    assert.throws(() => lifecycle.find('m', 2), {
      code: 'NotFound',
      message: "Request for unknown model: 'm' version 2 is not found",
    });
  });

  it('asks for the library of a backend before it needs it, and passes its sentence on', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    const { lifecycle } = makeLifecycle([repository.path], {
      ensureBackend: () => Promise.reject(addonError(14, 'run `nereid setup`')),
    });
    await lifecycle.start([]);
    await assert.rejects(
      lifecycle.load('m'),
      /version 1 is at UNAVAILABLE state: Unavailable: run `nereid setup`;/,
    );
  });

  it('stops waiting when the caller does, and loads on', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    const { engine, lifecycle } = makeLifecycle([repository.path]);
    await lifecycle.start([]);
    engine.loadGate = new Gate();
    const controller = new AbortController();
    const load = lifecycle.load('m', { signal: controller.signal });
    controller.abort();
    await assert.rejects(load, { code: 'Cancelled' });
    engine.loadGate.open();
    await lifecycle.load('m');
    assert.equal(engine.plans.size, 1);
  });

  it('ends: not ready, no new load, everything unloaded', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    const { engine, lifecycle } = makeLifecycle([repository.path]);
    await lifecycle.start('*');
    await lifecycle.beginExit();
    assert.deepEqual([engine.table.ready, engine.table.exiting], [false, true]);
    assert.equal(engine.plans.size, 1);
    await assert.rejects(lifecycle.load('m'), { code: 'Unavailable', message: 'Server exiting' });
    await lifecycle.close();
    assert.equal(engine.plans.size, 0);
  });

  it('says that a repository cannot be read, also when nothing is to be loaded', async () => {
    const { lifecycle } = makeLifecycle(['/nonexistent/models']);
    await assert.rejects(
      lifecycle.start([]),
      /cannot read the model repository '\/nonexistent\/models'/,
    );
  });
});
