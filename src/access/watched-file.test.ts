// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { until } from '../../test/support/until.ts';
import { WatchedFile } from './watched-file.ts';

describe('WatchedFile', () => {
  let folder: string;
  let path: string;
  let texts: string[];
  let failures: string[];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'nereid-watched-'));
    path = join(folder, 'file');
    texts = [];
    failures = [];
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const watch = (changed = (text: string): void => void texts.push(text)): WatchedFile =>
    new WatchedFile(path, changed, (error) => failures.push(error.message));

  it('hears of a file that is written, and of one that takes its place', async () => {
    writeFileSync(path, 'one');
    using file = watch();
    assert.equal(file.text, 'one');
    writeFileSync(join(folder, 'other'), 'two');
    renameSync(join(folder, 'other'), path);
    await until(() => texts.at(-1) === 'two');
    writeFileSync(path, 'three');
    await until(() => texts.at(-1) === 'three');
    assert.deepEqual(failures, []);
  });

  it('hears of a link that is swapped, as Kubernetes does it', async () => {
    for (const version of ['1', '2']) {
      await mkdir(join(folder, version));
      writeFileSync(join(folder, version, 'file'), version);
    }
    symlinkSync('1', join(folder, '..data'));
    symlinkSync('..data/file', path);
    using file = watch();
    assert.equal(file.text, '1');
    symlinkSync('2', join(folder, '..next'));
    renameSync(join(folder, '..next'), join(folder, '..data'));
    await until(() => texts.at(-1) === '2');
  });

  it('says when what came is no good, and goes on looking', async () => {
    writeFileSync(path, 'one');
    using _ = watch((text) => {
      if (text === 'bad') throw new Error('no good');
      texts.push(text);
    });
    writeFileSync(join(folder, 'next'), 'bad');
    renameSync(join(folder, 'next'), path);
    await until(() => failures.includes('no good'));
    rmSync(path);
    await until(() => failures.some((failure) => failure.includes('ENOENT')));
    writeFileSync(join(folder, 'next'), 'two');
    renameSync(join(folder, 'next'), path);
    await until(() => texts.at(-1) === 'two');
  });

  it('needs the file to be there', () => {
    assert.throws(() => watch(), { code: 'InvalidArgument', message: /cannot read .*ENOENT/ });
  });
});
