// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addonError, type FakeEngine } from '../../test/support/fake-engine.ts';
import { makeLifecycle } from '../../test/support/make-lifecycle.ts';
import { TempRepository } from '../../test/support/temp-repository.ts';
import type { ModelLifecycle } from './lifecycle.ts';

/** An ensemble of models one after the other; `m:2` asks for version 2. */
async function addChain(
  repository: TempRepository,
  name: string,
  models: readonly string[],
): Promise<void> {
  const steps = models.map((text, i) => {
    const [model, version = '-1'] = text.split(':');
    return `step { model_name: "${model}" model_version: ${version}
      input_map { key: "IN" value: "${i === 0 ? 'IN' : `t${i}`}" }
      output_map { key: "OUT" value: "${i === models.length - 1 ? 'OUT' : `t${i + 1}`}" } }`;
  });
  const config = `platform: "ensemble" max_batch_size: 8
    input { name: "IN" data_type: TYPE_INT32 dims: [ -1 ] }
    output { name: "OUT" data_type: TYPE_INT32 dims: [ -1 ] }
    ensemble_scheduling { ${steps.join('\n')} }`;
  await repository.write(`${name}/config.pbtxt`, config);
  await repository.write(`${name}/1/.keep`, '');
}

/** Handles of the steps in the table; undefined while the ensemble does not serve. */
function stepsOf(engine: FakeEngine, name: string): readonly number[] | undefined {
  const model = engine.table.models.find((one) => one.name === name);
  return model?.versions.find((one) => one.ready)?.steps;
}

const handleOf = (lifecycle: ModelLifecycle, name: string): number | undefined =>
  lifecycle.served(name).at(-1)?.handle;

describe('ensembles', () => {
  it('bring their models and name them in the table', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m', [1, 2], 'version_policy { all {} }');
    await addChain(repository, 'two', ['m', 'm:1']);
    await addChain(repository, 'nested', ['two', 'm']);
    const { engine, lifecycle } = makeLifecycle([repository.path], { loadThreads: 1 });
    await lifecycle.start(['nested']);
    assert.equal(lifecycle.isReady, true);
    const [first, second] = lifecycle.served('m').map(({ handle }) => handle);
    assert.deepEqual(stepsOf(engine, 'two'), [second, first]);
    assert.deepEqual(stepsOf(engine, 'nested'), [handleOf(lifecycle, 'two'), second]);
  });

  it('use a new build of a model with the table that brings it', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    await addChain(repository, 'two', ['m', 'm']);
    const { engine, lifecycle } = makeLifecycle([repository.path]);
    await lifecycle.start('*');
    const old = handleOf(lifecycle, 'm');
    await repository.addIdentity('m', [1], 'parameters { key: "x" value { string_value: "1" } }');
    await lifecycle.load('m');
    const built = handleOf(lifecycle, 'm');
    assert.notEqual(built, old);
    for (const table of engine.tables) {
      const handles = table.models.flatMap(({ versions }) => versions.map(({ handle }) => handle));
      const steps = table.models.flatMap(({ versions }) =>
        versions.flatMap((one) => one.steps ?? []),
      );
      for (const step of steps) assert.ok(handles.includes(step), 'a step is in the same table');
    }
    assert.deepEqual(stepsOf(engine, 'two'), [built, built]);
  });

  it('fall with their models and come back with them', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    await addChain(repository, 'two', ['m', 'm']);
    await addChain(repository, 'nested', ['two', 'm']);
    const { engine, lifecycle } = makeLifecycle([repository.path]);
    await lifecycle.start('*');
    const before = engine.tables.length;
    await lifecycle.unload('m');
    // From the first table on that misses the model.
    const table = engine.tables[before];
    assert.ok(table?.models.every(({ versions }) => versions.every(({ ready }) => !ready)));
    assert.equal(lifecycle.isReady, false);
    assert.throws(() => lifecycle.find('nested'), /has no available versions/);
    await lifecycle.load('m');
    assert.equal(lifecycle.isReady, true);
    assert.notEqual(stepsOf(engine, 'nested'), undefined);
  });

  it('stop serving when a model does not fit any more', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    await addChain(repository, 'two', ['m', 'm']);
    const { engine, lifecycle, logged } = makeLifecycle([repository.path]);
    await lifecycle.start('*');
    await repository.write(
      'm/config.pbtxt',
      `backend: "identity" max_batch_size: 4
       input { name: "IN" data_type: TYPE_INT32 dims: [ -1 ] }
       output { name: "OUT" data_type: TYPE_INT32 dims: [ -1 ] }`,
    );
    await lifecycle.load('m');
    assert.equal(stepsOf(engine, 'two'), undefined);
    assert.equal(lifecycle.served('two').length, 0);
    assert.match(
      logged.join('\n'),
      /ensemble two allows maximum batch size 8, but it contains model m/,
    );
  });

  it('are refused for models that are missing, failed, of another version, or themselves', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    await repository.addIdentity('broken');
    await addChain(repository, 'lost', ['ghost', 'm', 'spectre']);
    await addChain(repository, 'unlucky', ['broken']);
    await addChain(repository, 'picky', ['m:7']);
    await addChain(repository, 'left', ['right']);
    await addChain(repository, 'right', ['m', 'left']);
    await addChain(repository, 'self', ['self']);
    const { engine, lifecycle } = makeLifecycle([repository.path]);
    engine.loadErrors.set('broken:1', addonError(3, 'out of order'));
    await lifecycle.start([]);
    for (const [name, text] of [
      ['lost', 'ensemble lost contains models that are not available or ambiguous: ghost, spectre'],
      [
        'unlucky',
        "ensemble 'unlucky' depends on 'broken' which has no loaded version. Model 'broken' loading failed with error: version 1 is at UNAVAILABLE state: Invalid argument: out of order;",
      ],
      ['picky', "ensemble 'picky' depends on 'm' whose required version 7 is not loaded."],
      ['left', 'circular dependency between ensembles: left -> ... -> right -> left'],
      ['self', 'circular dependency between ensembles: self -> ... -> self -> self'],
    ] as const) {
      await assert.rejects(lifecycle.load(name), {
        code: 'InvalidArgument',
        message: `load failed for model '${name}': ${text}\n`,
      });
      assert.throws(() => lifecycle.find(name), /is not found$/);
    }
  });

  it('take the models along that were loaded only for them', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    await repository.addIdentity('asked');
    await addChain(repository, 'two', ['m', 'asked']);
    await addChain(repository, 'other', ['m']);
    const { lifecycle } = makeLifecycle([repository.path]);
    await lifecycle.start(['asked']);
    await lifecycle.load('two');
    await lifecycle.load('other');
    await lifecycle.unload('two', undefined, undefined, true);
    assert.equal(lifecycle.served('m').length, 1);
    await lifecycle.unload('other', undefined, undefined, true);
    assert.equal(lifecycle.served('m').length, 0);
    assert.equal(lifecycle.served('asked').length, 1);
  });
});
