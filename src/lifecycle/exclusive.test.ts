// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeEngine, Gate } from '../../test/support/fake-engine.ts';
import type { DispatchTable } from '../addon/dispatch-table.ts';
import { Exclusive, Semaphore } from './exclusive.ts';
import { Publisher } from './publisher.ts';

describe('Exclusive', () => {
  it('runs operations on one name in order, those on others meanwhile', async () => {
    const exclusive = new Exclusive();
    const gate = new Gate();
    const seen: string[] = [];
    const first = exclusive.run('a', async () => {
      await gate.pass();
      seen.push('a1');
    });
    const second = exclusive.run('a', async () => {
      seen.push('a2');
    });
    await exclusive.run('b', async () => {
      seen.push('b');
    });
    gate.open();
    await Promise.all([first, second]);
    assert.deepEqual(seen, ['b', 'a1', 'a2']);
    await exclusive.idle();
  });

  it('goes on after an operation failed', async () => {
    const exclusive = new Exclusive();
    await assert.rejects(
      exclusive.run('a', () => Promise.reject(new Error('no'))),
      /no/,
    );
    assert.equal(await exclusive.run('a', async () => 1), 1);
  });
});

describe('Semaphore', () => {
  it('never lets more than its count run', async () => {
    const semaphore = new Semaphore(2);
    const gate = new Gate();
    let running = 0;
    let most = 0;
    const work = Array.from({ length: 5 }, () =>
      semaphore.run(async () => {
        running += 1;
        most = Math.max(most, running);
        await gate.pass();
        running -= 1;
      }),
    );
    gate.open();
    await Promise.all(work);
    assert.equal(most, 2);
  });
});

describe('Publisher', () => {
  it('shares one swap among calls that come during another', async () => {
    const engine = new FakeEngine();
    engine.publishGate = new Gate();
    let made = 0;
    const table = (): DispatchTable => {
      made += 1;
      return { live: true, ready: true, exiting: false, models: [] };
    };
    const publisher = new Publisher(engine, table);
    const calls = [publisher.publish(), publisher.publish(), publisher.publish()];
    engine.publishGate.open();
    await Promise.all(calls);
    assert.equal(made, 2);
    await publisher.publish();
    assert.equal(made, 3);
  });

  it('holds tables back while nobody can call, until one was published', async () => {
    const engine = new FakeEngine();
    let made = 0;
    const publisher = new Publisher(engine, (): DispatchTable => {
      made += 1;
      return { live: true, ready: true, exiting: false, models: [] };
    });
    publisher.hold();
    await publisher.publish();
    assert.equal(made, 0);
    publisher.release();
    await publisher.publish();
    assert.equal(made, 1);
    publisher.hold();
    await publisher.publish();
    assert.equal(made, 2);
  });

  it('gives a call a table made after it', async () => {
    const engine = new FakeEngine();
    let ready = false;
    const publisher = new Publisher(engine, () => ({
      live: true,
      ready,
      exiting: false,
      models: [],
    }));
    const first = publisher.publish();
    ready = true;
    const second = publisher.publish();
    await first;
    assert.equal(engine.table.ready, false);
    await second;
    assert.equal(engine.table.ready, true);
  });
});
