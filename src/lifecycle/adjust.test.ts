// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addonError } from '../../test/support/fake-engine.ts';
import { makeLifecycle } from '../../test/support/make-lifecycle.ts';
import { TempRepository } from '../../test/support/temp-repository.ts';

const TENSOR = { data_type: 'TYPE_INT32', dims: [-1] };
const config = (count: number, fields: object = {}): string =>
  JSON.stringify({
    backend: 'identity',
    max_batch_size: 8,
    input: [{ name: 'IN', ...TENSOR }],
    output: [{ name: 'OUT', ...TENSOR }],
    instance_group: [{ kind: 'KIND_CPU', count }],
    ...fields,
  });
const groups = (count: number): string => `instance_group [{ kind: KIND_CPU count: ${count} }]`;

/** What the engine was asked to build, change and destroy. */
const steps = (events: readonly string[]): string[] =>
  events.filter((event) => /^(load|unload|adjust) /.test(event));

describe('a load that changes limits alone', () => {
  it('is taken over by every build of the model', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m', [1, 2], `version_policy { all { } } ${groups(1)}`);
    const { engine, lifecycle } = makeLifecycle([repository.path]);
    await lifecycle.start('*');
    const swaps = engine.tables.length;
    await repository.addIdentity('m', [], `version_policy { all { } } ${groups(3)}`);
    await lifecycle.load('m');
    assert.deepEqual(steps(engine.events), ['load m:1 as 1', 'load m:2 as 2', 'adjust 1 2']);
    assert.deepEqual(
      [...engine.plans.values()].map(({ instanceCount }) => instanceCount),
      [3, 3],
    );
    assert.equal(engine.tables.length, swaps);
    const [build] = lifecycle.served('m');
    assert.equal(build?.config.instance_group[0]?.count, 3);
    assert.equal(build?.plan.instanceCount, 3);
    // It serves what the repository holds: there is nothing to do.
    await lifecycle.load('m');
    assert.equal(steps(engine.events).length, 3);
  });

  it('may bring its configuration, until a plain load brings that of the repository', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m', [1], groups(1));
    const { engine, lifecycle } = makeLifecycle([repository.path]);
    await lifecycle.start('*');
    const batching = { dynamic_batching: { default_queue_policy: { max_queue_size: 7 } } };
    await lifecycle.load('m', { config: config(4) });
    await lifecycle.load('m', { config: config(4) });
    assert.deepEqual(steps(engine.events), ['load m:1 as 1', 'adjust 1']);
    await lifecycle.load('m');
    assert.equal(engine.plans.get(1)?.instanceCount, 1);
    await lifecycle.load('m', { config: config(4, batching) });
    assert.deepEqual(steps(engine.events).slice(2), ['adjust 1', 'load m:1 as 2', 'unload 1']);
  });

  it('builds anew what else has changed', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m', [1], groups(1));
    const { engine, lifecycle } = makeLifecycle([repository.path]);
    await lifecycle.start('*');
    await repository.addIdentity('m', [1], groups(2));
    await repository.write('m/1/weights', 'new');
    await lifecycle.load('m');
    assert.deepEqual(steps(engine.events), ['load m:1 as 1', 'load m:1 as 2', 'unload 1']);
    await repository.addIdentity('m', [1, 2], groups(3));
    await lifecycle.load('m');
    assert.deepEqual(steps(engine.events).slice(3), ['load m:2 as 3', 'unload 2']);
  });

  it('leaves all as it was when it fails, and may be tried again', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m', [1], groups(1));
    const { engine, lifecycle } = makeLifecycle([repository.path]);
    await lifecycle.start('*');
    engine.adjustError = addonError(14, 'no room for another instance');
    await repository.addIdentity('m', [1], groups(2));
    await assert.rejects(lifecycle.load('m'), {
      code: 'InvalidArgument',
      message:
        "load failed for model 'm': version 1 is at UNAVAILABLE state: Unavailable: no room for another instance;\n",
    });
    assert.deepEqual(await lifecycle.index(), [{ name: 'm', version: 1, state: 'READY' }]);
    assert.equal(lifecycle.find('m').config.instance_group[0]?.count, 1);
    engine.adjustError = undefined;
    await lifecycle.load('m');
    assert.equal(lifecycle.find('m').config.instance_group[0]?.count, 2);
    assert.deepEqual(steps(engine.events), ['load m:1 as 1', 'adjust 1']);
  });
});
