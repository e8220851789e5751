// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { FakeObjectStore } from '../../../test/support/fake-object-store.ts';
import { parseCloudPath } from './cloud-path.ts';
import { type CloudLimits, CloudSource } from './cloud-source.ts';
import { Copies } from './copies.ts';
import { storeError } from './store-error.ts';

function make(t: TestContext, limits: Partial<CloudLimits> = {}, freeBytes = 1 << 30) {
  const parent = mkdtempSync(join(tmpdir(), 'nereid-test-'));
  t.after(() => rmSync(parent, { recursive: true, force: true }));
  const store = new FakeObjectStore();
  const copies = new Copies(parent, async () => freeBytes);
  let nowMs = 0;
  let opened = 0;
  const source = new CloudSource({
    path: parseCloudPath('s3://b/models'),
    open: async () => {
      opened += 1;
      return store;
    },
    copies,
    configName: 'small',
    limits,
    pause: async () => undefined,
    now: () => nowMs,
  });
  const files = (): string[] => readdirSync(parent, { recursive: true }).map(String);
  const later = (ms: number): void => {
    nowMs += ms;
  };
  const model = async (name = 'm') => {
    const folder = await source.read(name);
    assert.ok(folder?.fetch !== undefined);
    return { ...folder, fetch: folder.fetch };
  };
  return { store, source, copies, files, later, model, opened: () => opened };
}

describe('CloudSource', () => {
  it('lists models below its prefix, page after page', async (t) => {
    const { store, source } = make(t);
    store.pageSize = 2;
    for (const key of ['a/1/x', 'a/config.pbtxt', 'b/1/x', 'c/1/', '.git/x', 'README.md']) {
      store.put(`models/${key}`, key);
    }
    store.put('other/d/1/x', '');
    assert.deepEqual(await source.list(), ['a', 'b', 'c']);
    assert.equal(store.calls.length, 3);
  });

  it('reads configuration and versions, and each small configuration once', async (t) => {
    const { store, source } = make(t);
    store.put('models/m/config.pbtxt', 'plain');
    store.put('models/m/1/model.onnx', '12345');
    store.put('models/n/configs/small.pbtxt', 'small');
    store.put('models/n/config.pbtxt', 'plain');
    const m = await source.read('m');
    assert.equal(m?.configText, 'plain');
    assert.deepEqual(m?.versions, [{ version: 1, files: ['model.onnx'] }]);
    assert.equal(m?.bytes, 10);
    await source.read('m');
    assert.equal(store.calls.filter((call) => call.startsWith('open')).length, 1);
    store.put('models/m/config.pbtxt', 'other');
    assert.equal((await source.read('m'))?.configText, 'other');
    const n = await source.read('n');
    assert.deepEqual([n?.configText, n?.configFile], ['small', 'configs/small.pbtxt']);
    assert.equal(await source.read('none'), undefined);
  });

  it('answers for all models with one listing, for as long as a poll takes', async (t) => {
    const { store, source, later } = make(t);
    store.put('models/a/1/x', '1');
    store.put('models/b/1/x', '1');
    await source.list();
    const first = await source.fingerprint('a');
    await source.fingerprint('b');
    assert.equal(await source.fingerprint('none'), undefined);
    assert.equal(store.calls.length, 1);
    later(1000);
    store.put('models/a/1/x', '2');
    assert.notEqual(await source.fingerprint('a'), first);
    assert.equal((await source.read('a'))?.fingerprint, await source.fingerprint('a'));
    assert.deepEqual(store.calls.slice(1, 2), ['list models/a/']);
  });

  it('brings the files of the versions that are wanted, whole, and removes them', async (t) => {
    const { store, files, model } = make(t);
    for (const key of ['labels.txt', '1/old', '2/model.onnx', '2/deep/weights']) {
      store.put(`models/m/${key}`, key);
    }
    const folder = await model();
    assert.equal(await folder.locate('2/model.onnx'), undefined);
    const copy = await folder.fetch([2]);
    const place = await copy.locate('2/deep/weights');
    assert.equal(await readFile(place ?? '', 'utf8'), '2/deep/weights');
    assert.equal(await copy.locate('1/old'), undefined);
    assert.equal(await copy.locate('../../x'), undefined);
    assert.ok((await copy.locate('labels.txt')) !== undefined);
    assert.ok(!files().some((name) => name.includes('.part')));
    await copy.remove();
    await copy.remove();
    assert.ok(!files().some((name) => name.includes('weights')));
  });

  it('repeats what a busy store failed', async (t) => {
    const { store, source, model } = make(t);
    store.put('models/m/1/x', 'x');
    let failures = 2;
    store.intercept = () => {
      if (failures-- > 0) throw storeError('busy', 'SlowDown');
    };
    assert.deepEqual(await source.list(), ['m']);
    const folder = await model();
    failures = 2;
    await (await folder.fetch([1])).remove();
    assert.deepEqual(store.calls.slice(-3), Array(3).fill('open models/m/1/x'));
  });

  it('leaves nothing when a file cannot be had, changed meanwhile or comes wrong', async (t) => {
    const { store, files, model } = make(t);
    for (const key of ['a', 'b', 'c']) store.put(`models/m/1/${key}`, key.repeat(10));
    const fails = async (message: RegExp): Promise<void> => {
      await assert.rejects((await model()).fetch([1]), { message });
      assert.deepEqual(
        files().filter((name) => name.includes('/')),
        [],
      );
    };
    store.intercept = (call) => {
      if (call.endsWith('/b')) throw storeError('denied', 'AccessDenied, status 403');
    };
    await fails(
      /^cannot download model 'm': access was denied, check the credentials \(AccessDenied, status 403\)$/,
    );
    store.intercept = () => undefined;
    const folder = await model();
    store.put('models/m/1/c', 'other');
    await assert.rejects(folder.fetch([1]), {
      code: 'Unavailable',
      message: /it was changed while/,
    });
    store.sent.set('models/m/1/a', [Buffer.from('aaaaa'), Buffer.from('aaaa')]);
    await fails(/expected 10 bytes as listed, got 9 bytes/);
    store.sent.set('models/m/1/a', [Buffer.from('aaaaaaaaaab')]);
    await fails(/got more bytes/);
    store.sent.set('models/m/1/a', [Buffer.from('aaaaaaaaab')]);
    await fails(/got content with another MD5/);
    const damaged = store.calls.filter((call) => call === 'open models/m/1/a').length;
    assert.ok(damaged >= 3 * 6, 'what came damaged is asked for again');
  });

  it('gives up on a store that sends nothing', async (t) => {
    const { store, files, model } = make(t, { silenceMs: 5, attempts: 2 });
    store.put('models/m/1/a', 'a');
    const folder = await model();
    store.open = async (_object, signal) => ({
      body: (async function* () {
        await new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        });
      })(),
    });
    await assert.rejects(folder.fetch([1]), { code: 'Unavailable', message: /nothing came for/ });
    assert.deepEqual(
      files().filter((name) => name.includes('/')),
      [],
    );
  });

  it('tells the first failure, not what it stopped', async (t) => {
    const { store, model } = make(t);
    for (const key of ['a', 'b', 'c']) store.put(`models/m/1/${key}`, key);
    const folder = await model();
    store.open = async ({ key }, signal) => {
      if (key.endsWith('b')) throw storeError('denied', 'the first');
      await once(signal, 'abort');
      throw storeError('failed', 'stopped');
    };
    await assert.rejects(folder.fetch([1]), { message: /denied.*the first/ });
  });

  it('gives up on a listing that is not answered', async (t) => {
    const { store, source } = make(t, { silenceMs: 5, attempts: 2 });
    let asked = 0;
    store.list = async ({ signal }) => {
      asked += 1;
      await once(signal, 'abort');
      throw signal.reason;
    };
    await assert.rejects(source.list(), {
      code: 'Unavailable',
      message: /no answer within 0.005 s/,
    });
    assert.equal(asked, 2);
  });

  it('stops when it is told to', async (t) => {
    const { store, files, model } = make(t);
    store.put('models/m/1/a', 'a');
    store.put('models/m/1/b', 'b');
    const folder = await model();
    const stop = new AbortController();
    store.intercept = () => stop.abort();
    await assert.rejects(folder.fetch([1], stop.signal), { code: 'Cancelled' });
    assert.deepEqual(
      files().filter((name) => name.includes('/')),
      [],
    );
  });

  it('refuses what the disk has no room for, counting downloads under way', async (t) => {
    const { store, copies, model } = make(t, {}, (64 << 20) + 100);
    store.put('models/m/1/a', 'a'.repeat(60));
    const under = await copies.make('other', 60);
    const folder = await model();
    await assert.rejects(folder.fetch([1]), {
      code: 'Unavailable',
      message: /^model 'm' takes 0.0 MiB on disk/,
    });
    under.settled();
    await (await folder.fetch([1])).remove();
  });

  it('bounds listings', async (t) => {
    const { store, source } = make(t, { objects: 10 });
    store.pageSize = 4;
    for (let i = 0; i < 11; i++) store.put(`models/m/1/${i}`, '');
    await assert.rejects(source.list(), {
      message: /^cannot list 's3:\/\/b\/models': .*more than 10 objects/,
    });
    assert.equal(store.calls.length, 3);
  });

  it('opens its store with the first use, and again after that failed', async (t) => {
    const { store, source, opened } = make(t);
    assert.equal(opened(), 0);
    store.put('models/m/1/x', '');
    await Promise.all([source.list(), source.list()]);
    assert.equal(opened(), 1);
    await source[Symbol.asyncDispose]();
    assert.equal(store.isClosed, true);
    let failures = 1;
    const other = new CloudSource({
      path: parseCloudPath('s3://b'),
      open: async () => {
        if (failures-- > 0) throw new Error('no package');
        return store;
      },
      copies: new Copies('/nonexistent'),
    });
    await assert.rejects(other.list(), { message: 'no package' });
    assert.deepEqual(await other.list(), ['models']);
    const folder = await other.read('models');
    await assert.rejects(async () => folder?.fetch?.([1]), {
      message: /no folder for copies of models/,
    });
  });
});
