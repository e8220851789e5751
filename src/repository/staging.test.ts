// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Staging } from './staging.ts';

const files = (entries: Record<string, string>): Map<string, Uint8Array> =>
  new Map(Object.entries(entries).map(([path, text]) => [path, Buffer.from(text)]));

describe('Staging', () => {
  let parent = '';
  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), 'nereid-test-'));
  });
  afterEach(() => rmSync(parent, { recursive: true }));

  it('keeps files under names of its own in a folder that nobody else may enter', async () => {
    const staging = new Staging(parent);
    const { folder } = await staging.stage('m', files({ '2/model.onnx': 'two', 'a/b': 'deep' }));
    assert.deepEqual(folder.versions, [{ version: 2, files: ['model.onnx'] }]);
    const [root = ''] = readdirSync(parent);
    assert.equal(statSync(join(parent, root)).mode & 0o777, 0o700);
    const place = (await folder.locate('2/model.onnx')) ?? '';
    assert.equal(await readFile(place, 'utf8'), 'two');
    assert.match(place.slice(parent.length), /^\/nereid-staging-[\w-]+\/load-\w+\/0$/);
    assert.equal(statSync(place).mode & 0o777, 0o600);
    assert.equal(await folder.locate('2'), undefined);
    assert.equal(await folder.locate('2/../2/model.onnx'), undefined);
    await staging[Symbol.asyncDispose]();
    assert.deepEqual(readdirSync(parent), []);
  });

  it('removes what one load brought', async () => {
    await using staging = new Staging(parent);
    const one = await staging.stage('m', files({ '1/x': 'one' }));
    const other = await staging.stage('m', files({ '1/x': 'other' }));
    await one.remove();
    assert.equal(existsSync((await one.folder.locate('1/x')) ?? ''), false);
    assert.equal(readFileSync((await other.folder.locate('1/x')) ?? '', 'utf8'), 'other');
  });

  it('is bounded in what waits and in what serves', async () => {
    await using staging = new Staging(parent, { pendingBytes: 4, totalBytes: 6 });
    const load = (text: string) => staging.stage('m', files({ '1/x': text }));
    await assert.rejects(load('12345'), /more than 4 bytes/);
    const first = await load('123');
    await assert.rejects(load('12'), /waiting loads would take more than 4 bytes/);
    first.settled();
    first.settled();
    const second = await load('123');
    second.settled();
    await assert.rejects(load('1'), { code: 'Unavailable', message: /loaded models/ });
    await first.remove();
    await first.remove();
    await load('123');
  });

  it('gives the room back when files cannot be written', async () => {
    const gone = join(parent, 'gone');
    await using staging = new Staging(gone, { pendingBytes: 4, totalBytes: 4 });
    await assert.rejects(staging.stage('m', files({ '1/x': '1234' })), {
      code: 'Internal',
      message: 'the files of the load cannot be kept: got ENOENT',
    });
    mkdirSync(gone);
    await staging.stage('m', files({ '1/x': '1234' }));
  });

  it('removes the leftovers of processes that are gone, and nothing else', async () => {
    // What a process of this machine would have made, and ended.
    const script = `import { Staging } from ${JSON.stringify(import.meta.resolve('./staging.ts'))};
      await new Staging(${JSON.stringify(parent)}).stage('m', new Map([['1/x', Buffer.from('x')]]));
      process.kill(process.pid, 'SIGKILL');`;
    spawnSync(process.execPath, ['--input-type=module', '--no-warnings', '-e', script]);
    const [leftover = ''] = readdirSync(parent);
    assert.match(leftover, /^nereid-staging-/);
    const link = leftover.replace(/-\w+$/, '-link00');
    await writeFile(join(parent, 'theirs'), 'kept');
    await symlink(join(parent, 'other'), join(parent, link));
    await mkdir(join(parent, 'other'), { mode: 0o700 });
    const open = leftover.replace(/-\w+$/, '-open00');
    await mkdir(join(parent, open));
    await chmod(join(parent, open), 0o755);
    const strange = ['nereid-staging-', 'nereid-staging-1-1-1-abcdef', 'nereid-staging-x'];
    for (const name of strange) await mkdir(join(parent, name), { mode: 0o700 });
    await using staging = new Staging(parent);
    const mine = await staging.stage('m', files({ '1/x': 'mine' }));
    await staging.removeLeftovers();
    const left = new Set(readdirSync(parent));
    assert.equal(left.has(leftover), false);
    for (const name of ['theirs', 'other', link, open, ...strange]) assert.ok(left.has(name), name);
    assert.equal(readFileSync((await mine.folder.locate('1/x')) ?? '', 'utf8'), 'mine');
  });
});
