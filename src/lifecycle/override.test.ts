// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { addonError, FakeEngine, Gate } from '../../test/support/fake-engine.ts';
import { TempRepository } from '../../test/support/temp-repository.ts';
import { LocalSource } from '../repository/local-source.ts';
import { Staging } from '../repository/staging.ts';
import { ModelLifecycle } from './lifecycle.ts';

const TENSOR = { data_type: 'TYPE_INT32', dims: [-1] };
const config = (fields: object = {}): string =>
  JSON.stringify({
    backend: 'identity',
    max_batch_size: 8,
    input: [{ name: 'IN', ...TENSOR }],
    output: [{ name: 'OUT', ...TENSOR }],
    ...fields,
  });

const files = (...paths: string[]): Map<string, Uint8Array> =>
  new Map(paths.map((path) => [path, Buffer.from(path)]));

/** A control plane over a repository of its own; what it stages lies in `staged`. */
class Fixture implements AsyncDisposable {
  readonly engine = new FakeEngine();
  readonly repository = new TempRepository();
  readonly parent = mkdtempSync(join(tmpdir(), 'nereid-test-'));
  readonly staging = new Staging(this.parent);
  readonly lifecycle: ModelLifecycle;

  constructor(allowOverrideCode = false) {
    this.lifecycle = new ModelLifecycle({
      engine: this.engine,
      sources: [new LocalSource(this.repository.path)],
      loadThreads: 4,
      loadRetries: 0,
      strictReadiness: true,
      namespacing: false,
      autoComplete: true,
      serverDefaults: {},
      maxQueueSize: 0,
      queueFullStatus: 'Unavailable',
      backendConfig: [],
      ensureBackend: async () => undefined,
      staging: this.staging,
      allowOverrideCode,
      log: { info: () => undefined, error: () => undefined },
    });
  }

  /** Folders of loads that are on disk. */
  staged(): string[] {
    return readdirSync(this.parent).flatMap((root) => readdirSync(join(this.parent, root)));
  }

  versions(name: string): number[] {
    return this.lifecycle.served(name).map((one) => one.version);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lifecycle.close();
    await this.staging[Symbol.asyncDispose]();
    rmSync(this.parent, { recursive: true });
    this.repository[Symbol.dispose]();
  }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await settle();
}

describe('a load with files', () => {
  it('serves the versions that the files name, until a plain load', async () => {
    await using fixture = new Fixture();
    const { lifecycle, repository } = fixture;
    await repository.addIdentity('m', [1, 2]);
    await lifecycle.start('*');
    const policy = config({ version_policy: { all: {} } });
    await lifecycle.load('m', { config: policy, files: files('5/any', '7/deep/any') });
    assert.deepEqual(fixture.versions('m'), [5, 7]);
    await lifecycle.load('m');
    assert.deepEqual(fixture.versions('m'), [2]);
    await until(() => fixture.staged().length === 0);
  });

  it('gives the model file to the backend', async () => {
    await using fixture = new Fixture();
    const { engine, lifecycle } = fixture;
    engine.inspection = {
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 3] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }],
    };
    await lifecycle.start([]);
    await lifecycle.load('m', { config: '{}', files: files('3/model.onnx', '3/other') });
    const [plan] = engine.plans.values();
    assert.equal(plan?.backend, 'onnxruntime');
    assert.ok(existsSync(plan?.modelFile ?? ''));
    assert.doesNotMatch(plan?.modelFile ?? '', /model\.onnx/);
  });

  it('remembers only so many names of failures that no repository has', async () => {
    await using fixture = new Fixture();
    const { engine, lifecycle, repository } = fixture;
    await repository.addIdentity('kept');
    await lifecycle.start([]);
    const brought = { config: config(), files: files('1/any') };
    for (const name of ['kept', ...Array.from({ length: 300 }, (_, i) => `m${i}`)]) {
      engine.loadErrors.set(`${name}:1`, addonError(13, 'no luck'));
      await assert.rejects(lifecycle.load(name, brought));
    }
    const names = lifecycle.knownRows().map(({ name }) => name);
    assert.equal(names.length, 257);
    assert.ok(names.includes('kept') && names.includes('m299') && !names.includes('m0'));
    assert.deepEqual(engine.table.models.map(({ name }) => name).sort(), [...names].sort());
    engine.loadErrors.clear();
    await lifecycle.load('m44', brought);
    assert.deepEqual(fixture.versions('m44'), [1]);
  });

  it('lists a model that no repository has, for as long as it serves', async () => {
    await using fixture = new Fixture();
    const { lifecycle } = fixture;
    await lifecycle.start([]);
    await lifecycle.load('guest', { config: config(), files: files('4/any') });
    assert.deepEqual(await lifecycle.index(), [{ name: 'guest', version: 4, state: 'READY' }]);
    await assert.rejects(lifecycle.load('guest'), /^ServeError: failed to load 'guest', failed/);
    assert.deepEqual(fixture.versions('guest'), [4]);
    await lifecycle.unload('guest');
    assert.deepEqual(await lifecycle.index(), []);
    await until(() => fixture.staged().length === 0);
  });

  it('keeps its files until the last request has left the build', async () => {
    await using fixture = new Fixture();
    const { engine, lifecycle } = fixture;
    await lifecycle.start([]);
    await lifecycle.load('m', { config: config(), files: files('1/any') });
    const gate = new Gate();
    engine.unloadGate = gate;
    await lifecycle.load('m', { config: config(), files: files('1/any') });
    assert.equal(fixture.staged().length, 2);
    gate.open();
    await until(() => fixture.staged().length === 1);
  });

  it('leaves nothing behind when it fails, and the old build serves', async () => {
    await using fixture = new Fixture();
    const { engine, lifecycle, repository } = fixture;
    await repository.addIdentity('m');
    await lifecycle.start('*');
    engine.loadErrors.set('m:9', addonError(3, 'a bad model'));
    for (const [text, path] of [
      [config(), '9/any'],
      [config({ max_batch_size: -1 }), '9/any'],
      ['{', '9/any'],
      [config(), 'one/any'],
    ] as const) {
      await assert.rejects(lifecycle.load('m', { config: text, files: files(path) }));
      assert.deepEqual(fixture.staged(), [], path);
      assert.deepEqual(fixture.versions('m'), [1]);
    }
    assert.equal(lifecycle.isReady, true);
  });

  it('is refused before its files are written when the name climbs', async () => {
    await using fixture = new Fixture();
    await assert.rejects(
      fixture.lifecycle.load('../x', { config: config(), files: files('1/any') }),
      /path traversal/,
    );
    assert.deepEqual(readdirSync(fixture.parent), []);
  });

  it('takes labels from its files, and none from outside them', async () => {
    await using fixture = new Fixture();
    const { engine, lifecycle } = fixture;
    await lifecycle.start([]);
    const labelled = (label_filename: string): string =>
      config({ output: [{ name: 'OUT', ...TENSOR, label_filename }] });
    await lifecycle.load('m', {
      config: labelled('labels.txt'),
      files: files('1/any', 'labels.txt'),
    });
    assert.deepEqual([...engine.plans.values()][0]?.outputs[0]?.labels, ['labels.txt']);
    for (const label of ['../../etc/passwd', '/etc/passwd', 'absent']) {
      await assert.rejects(
        lifecycle.load('m', { config: labelled(label), files: files('1/any') }),
        /label file/,
      );
    }
  });
});

describe('code in a load', () => {
  const cases: [string, string, string, RegExp][] = [
    ['a native library', config(), '1/libx.so', /"file:1\/libx\.so" is code/],
    ['a script', config(), '1/model.py', /"file:1\/model\.py" is code/],
    ['another backend', config({ backend: 'python' }), '1/any', /replaces backend 'identity'/],
    ['a runtime', config({ runtime: 'lib.so' }), '1/any', /names runtime "lib\.so"/],
    [
      'an operator library',
      config({ model_operations: { op_library_filename: ['ops.bin'] } }),
      '1/any',
      /names operator library "ops\.bin"/,
    ],
  ];
  for (const [what, text, path, message] of cases) {
    it(`is refused: ${what}`, async () => {
      await using fixture = new Fixture();
      const { lifecycle, repository } = fixture;
      await repository.addIdentity('m');
      await lifecycle.start('*');
      await assert.rejects(lifecycle.load('m', { config: text, files: files(path) }), {
        code: 'Unimplemented',
        message,
      });
      assert.deepEqual(fixture.staged(), []);
      assert.deepEqual(fixture.versions('m'), [1]);
      assert.equal(lifecycle.isReady, true);
    });
  }

  it('is refused in a configuration without files, too', async () => {
    await using fixture = new Fixture();
    const { lifecycle, repository } = fixture;
    await repository.addIdentity('m');
    await lifecycle.start([]);
    const load = lifecycle.load('m', { config: config({ backend: 'poison' }) });
    await assert.rejects(load, { code: 'Unimplemented', message: /replaces backend 'identity'/ });
  });

  it('is not what the repository has itself', async () => {
    await using fixture = new Fixture();
    const { engine, lifecycle, repository } = fixture;
    engine.inspection = {
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 3] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }],
    };
    await repository.write('m/1/model.onnx', '');
    await lifecycle.start('*');
    // The folder says nothing of its backend; both sides find the same one.
    await lifecycle.load('m', {
      config: '{"backend":"onnxruntime"}',
      files: files('2/model.onnx'),
    });
    assert.deepEqual(fixture.versions('m'), [2]);
  });

  it('is taken where the server allows it', async () => {
    await using fixture = new Fixture(true);
    const { lifecycle, repository } = fixture;
    await repository.addIdentity('m');
    await lifecycle.start([]);
    await lifecycle.load('m', {
      config: config({ backend: 'poison' }),
      files: files('1/libx.so', '1/model.py'),
    });
    assert.deepEqual(fixture.versions('m'), [1]);
  });
});
