// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { TempRepository } from '../../test/support/temp-repository.ts';
import { LocalSource } from './local-source.ts';
import { checkModelName, listModels, readModel } from './scan.ts';

describe('LocalSource', () => {
  it('lists folders and links to folders, but neither files nor hidden ones', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('b');
    await repository.addIdentity('a');
    await repository.write('.git/config', '');
    await repository.write('README.md', '');
    symlinkSync(join(repository.path, 'a'), join(repository.path, 'link'));
    assert.deepEqual(await new LocalSource(repository.path).list(), ['a', 'b', 'link']);
  });

  it('reads configuration and versions in the order of their numbers', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m', [10, 9]);
    await repository.write('m/9/model.onnx', 'x');
    await repository.write('m/9/extra', 'x');
    await repository.write('m/0/ignored', '');
    await repository.write('m/labels.txt', '');
    const folder = await new LocalSource(repository.path).read('m');
    assert.match(folder?.configText ?? '', /^backend: "identity"/);
    assert.deepEqual(
      folder?.versions.map(({ version, files }) => [version, files]),
      [
        [9, ['extra', 'model.onnx']],
        [10, []],
      ],
    );
  });

  it('has no configuration text where there is no config.pbtxt', async () => {
    using repository = new TempRepository();
    await repository.write('m/1/model.onnx', '');
    const folder = await new LocalSource(repository.path).read('m');
    assert.equal(folder?.configText, undefined);
  });

  it('takes the configuration of the name asked for where a model has it', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('both');
    await repository.write('both/configs/small.pbtxt', 'small');
    await repository.addIdentity('plain');
    const source = new LocalSource(repository.path, 'small');
    const both = await source.read('both');
    assert.deepEqual([both?.configText, both?.configFile], ['small', 'configs/small.pbtxt']);
    const plain = await source.read('plain');
    assert.match(plain?.configText ?? '', /^backend/);
    assert.equal(plain?.configFile, undefined);
  });

  it('changes the fingerprint with any file, and only then', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    await repository.write('m/1/deep/weights', 'one');
    const source = new LocalSource(repository.path);
    const print = async (): Promise<string> => {
      const fingerprint = (await source.read('m'))?.fingerprint ?? '';
      assert.equal(await source.fingerprint('m'), fingerprint);
      return fingerprint;
    };
    const first = await print();
    assert.equal(await print(), first);
    await repository.write('m/1/deep/weights', 'two');
    const second = await print();
    assert.notEqual(second, first);
    await repository.write('m/2/weights', 'two');
    assert.notEqual(await print(), second);
  });

  it('passes over links that lead to a folder above them', { timeout: 30_000 }, async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    for (const link of ['a', 'b', 'c']) symlinkSync('.', join(repository.path, 'm', link));
    symlinkSync('..', join(repository.path, 'm', '2'));
    const source = new LocalSource(repository.path);
    const folder = await source.read('m');
    assert.deepEqual(
      folder?.versions.map(({ version }) => version),
      [1, 2],
    );
    await repository.write('m/1/late', '');
    assert.notEqual(await source.fingerprint('m'), folder?.fingerprint);
  });

  it('does not wait for a pipe in the place of a configuration', { timeout: 30_000 }, async () => {
    using repository = new TempRepository();
    await repository.write('m/1/.keep', '');
    execFileSync('mkfifo', [join(repository.path, 'm/config.pbtxt')]);
    await assert.rejects(new LocalSource(repository.path).read('m'), {
      message: 'config.pbtxt: expected a file, got something that is none',
    });
  });

  it('says in one sentence that a repository cannot be read', async () => {
    await assert.rejects(new LocalSource('/nonexistent/models').list(), {
      code: 'Internal',
      message:
        "cannot read the model repository '/nonexistent/models': expected a folder that this user may read, got ENOENT",
    });
    using repository = new TempRepository();
    await repository.write('file', '');
    await assert.rejects(new LocalSource(join(repository.path, 'file')).list(), /got ENOTDIR/);
  });
});

describe('several repositories', () => {
  it('marks and refuses a model that two of them hold', async () => {
    using one = new TempRepository();
    using two = new TempRepository();
    await one.addIdentity('both');
    await one.addIdentity('only');
    await two.addIdentity('both');
    const sources = [new LocalSource(one.path), new LocalSource(two.path)];
    assert.deepEqual(await listModels(sources), [
      { name: 'both', isDuplicate: true },
      { name: 'only', isDuplicate: false },
    ]);
    await assert.rejects(readModel(sources, 'both'), {
      message: 'model appears in two or more repositories',
    });
    assert.equal((await readModel(sources, 'only')).name, 'only');
    await assert.rejects(readModel(sources, 'none'), { code: 'Internal' });
  });
});

describe('checkModelName', () => {
  it('refuses names that leave the repository', () => {
    for (const name of ['', '.', '..', '../x', 'a/b', '/a', 'a..b', 'a\0b']) {
      assert.throws(() => checkModelName(name), {
        code: 'InvalidArgument',
        message: `invalid model name '${name}', model name must not contain path traversal characters`,
      });
    }
    for (const name of ['a', 'a.onnx', 'ä ö', 'a-b_c']) checkModelName(name);
  });
});
