// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { FakeObjectStore } from '../../test/support/fake-object-store.ts';
import { makeLifecycle, settle } from '../../test/support/make-lifecycle.ts';
import { until } from '../../test/support/until.ts';
import { parseCloudPath } from '../repository/cloud/cloud-path.ts';
import { CloudSource } from '../repository/cloud/cloud-source.ts';
import { Copies } from '../repository/cloud/copies.ts';
import { storeError } from '../repository/cloud/store-error.ts';

const MODEL = `backend: "identity"
max_batch_size: 8
input [{ name: "IN" data_type: TYPE_INT32 dims: [ -1 ] }]
output [{ name: "OUT" data_type: TYPE_INT32 dims: [ -1 ] label_filename: "labels.txt" }]
`;

function make(t: TestContext) {
  const parent = mkdtempSync(join(tmpdir(), 'nereid-test-'));
  t.after(() => rmSync(parent, { recursive: true, force: true }));
  const store = new FakeObjectStore();
  store.put('m/config.pbtxt', MODEL);
  store.put('m/labels.txt', 'one\n');
  store.put('m/1/weights', 'w');
  const source = new CloudSource({
    path: parseCloudPath('s3://b'),
    open: async () => store,
    copies: new Copies(parent),
    pause: async () => undefined,
  });
  const fixture = makeLifecycle([], { sources: [source] });
  /** models whose files lie on this machine */
  const copies = (): number =>
    readdirSync(parent, { recursive: true }).filter((name) => String(name).endsWith('labels.txt'))
      .length;
  const downloads = (): number => store.calls.filter((call) => call === 'open m/1/weights').length;
  return { ...fixture, store, copies, downloads };
}

describe('a model whose files are fetched', { timeout: 60_000 }, () => {
  it('keeps them for as long as it serves, and fetches them again when they change', async (t) => {
    const { lifecycle, store, copies, downloads } = make(t);
    await lifecycle.start('*');
    assert.deepEqual([copies(), downloads()], [1, 1]);
    await lifecycle.load('m');
    assert.deepEqual([copies(), downloads()], [1, 1]);
    store.put('m/1/weights', 'other');
    await lifecycle.load('m');
    await until(() => copies() === 1);
    assert.equal(downloads(), 2);
    await lifecycle.unload('m');
    await lifecycle.gone('m');
    await until(() => copies() === 0);
    assert.equal(lifecycle.served('m').length, 0);
  });

  it('leaves what serves alone when they cannot be had, and nothing behind', async (t) => {
    const { lifecycle, store, copies, logged } = make(t);
    await lifecycle.start('*');
    const before = lifecycle.find('m').handle;
    store.put('m/1/weights', 'other');
    store.intercept = (call) => {
      if (call.startsWith('open')) throw storeError('busy', 'ECONNREFUSED');
    };
    await assert.rejects(lifecycle.load('m'), {
      message:
        /^load failed for model 'm': version 1 .*cannot download model 'm': the store cannot/,
    });
    assert.equal(lifecycle.find('m').handle, before);
    assert.equal(copies(), 1);
    store.intercept = () => {
      throw storeError('busy', 'ECONNREFUSED');
    };
    await assert.rejects(lifecycle.load('m'), { code: 'Unavailable' });
    assert.match(
      logged.at(-1) ?? '',
      /^E failed to load 'm', failed to poll from model repository: cannot list/,
    );
    assert.equal(lifecycle.find('m').handle, before);
  });

  it('has nothing left of them when the build fails', async (t) => {
    const { lifecycle, engine, store, copies } = make(t);
    engine.loadErrors.set('m:1', new Error('no memory'));
    await assert.rejects(lifecycle.load('m'), { message: /no memory/ });
    await settle();
    await until(() => copies() === 0);
    engine.loadErrors.clear();
    store.delete('m/labels.txt');
    await assert.rejects(lifecycle.load('m'), { message: /label file 'labels.txt'/ });
    await until(() => copies() === 0);
  });
});
