// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { findOnnxRuntime, setupOnnxRuntime } from './onnxruntime.ts';
import { integrityOf } from './tarball.ts';

const root = mkdtempSync(join(tmpdir(), 'nereid-setup-'));
after(() => rmSync(root, { recursive: true, force: true }));

const LIBRARY = `package/bin/napi-v6/linux/${process.arch}/libonnxruntime.so.1`;

function tarball(entries: Readonly<Record<string, Buffer>>): Buffer {
  const parts = Object.entries(entries).flatMap(([path, bytes]) => {
    const head = Buffer.alloc(512);
    head.write(path, 0);
    head.write('0000644\0', 100);
    head.write(`${bytes.length.toString(8).padStart(11, '0')}\0`, 124);
    head.write('0', 156);
    return [head, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)];
  });
  return gzipSync(Buffer.concat([...parts, Buffer.alloc(1024)]));
}

/** A world with an `npm` that runs the given shell lines; `$DEST` is the pack destination. */
async function world(npm: string, archive = tarball({ [LIBRARY]: Buffer.from('library') })) {
  const folder = mkdtempSync(join(root, 'w-'));
  const packed = join(folder, 'packed.tgz');
  writeFileSync(packed, archive);
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  const script = `#!/bin/sh\nwhile [ $# -gt 0 ]; do [ "$1" = --pack-destination ] && DEST=$2; shift; done\n${npm}\n`;
  writeFileSync(join(bin, 'npm'), script.replaceAll('$PACKED', packed));
  chmodSync(join(bin, 'npm'), 0o755);
  const cache = join(folder, 'cache');
  return {
    cache,
    env: { PATH: `${bin}${delimiter}/usr/bin${delimiter}/bin` },
    expected: { name: 'onnxruntime-node', version: '9.9.9', integrity: await integrityOf(packed) },
    /** what is left in the cache, staging folders included */
    left: () => {
      try {
        return readdirSync(join(cache, 'onnxruntime'));
      } catch {
        return [];
      }
    },
  };
}

const installed = `9.9.9-linux-${process.arch}`;
const COPY = 'cp "$PACKED" "$DEST/onnxruntime-node-9.9.9.tgz"';

describe('setupOnnxRuntime', () => {
  it('installs the library and nothing else, and is done at once the second time', async () => {
    const big = Buffer.alloc(300_000, 7);
    const archive = tarball({ 'package/package.json': Buffer.from('{}'), [LIBRARY]: big });
    const { cache, env, expected, left } = await world(COPY, archive);
    const steps = new Set<string>();
    const options = {
      cacheFolder: cache,
      env,
      expected,
      onProgress: ({ step }: { step: string }) => steps.add(step),
    };
    const library = await setupOnnxRuntime(options);
    assert.deepEqual(readFileSync(library), big);
    assert.deepEqual(left(), [installed]);
    assert.deepEqual([...steps], ['fetch', 'verify', 'extract', 'done']);
    steps.clear();
    assert.equal(await setupOnnxRuntime(options), library);
    assert.equal(steps.size, 0);
  });

  it('lets two runs at once both succeed', async () => {
    const { cache, env, expected, left } = await world(COPY);
    const paths = await Promise.all(
      [1, 2].map(() => setupOnnxRuntime({ cacheFolder: cache, env, expected })),
    );
    assert.equal(paths[0], paths[1]);
    assert.deepEqual(left(), [installed]);
  });

  const failures: readonly (readonly [string, string, RegExp])[] = [
    [
      'offline',
      'echo "npm error code ENOTFOUND" >&2; exit 1',
      /could not reach its registry.*ENOTFOUND.*try again/,
    ],
    ['a full disk', 'echo "npm error nospc ENOSPC: no space left" >&2; exit 1', /disk became full/],
    [
      'an unknown release',
      'echo "npm error code ETARGET" >&2; exit 1',
      /does not have onnxruntime-node@9\.9\.9/,
    ],
    [
      'a failure of another kind',
      'echo "npm error something odd" >&2; exit 1',
      /failed: something odd/,
    ],
    ['an npm that leaves nothing', 'exit 0', /left no tarball/],
    ['a damaged archive', 'head -c 60 "$PACKED" > "$DEST/x.tgz"', /expected sha512-.*got sha512-/],
  ];
  for (const [name, npm, sentence] of failures) {
    it(`says one sentence for ${name}, leaves nothing, and heals`, async () => {
      const { cache, env, expected, left } = await world(npm);
      await assert.rejects(
        setupOnnxRuntime({ cacheFolder: cache, env, expected }),
        (error: Error) => {
          assert.match(error.message, sentence);
          assert.equal(error.message.includes('\n'), false);
          return true;
        },
      );
      assert.deepEqual(left(), []);
      const good = await world(COPY);
      await setupOnnxRuntime({ cacheFolder: cache, env: good.env, expected: good.expected });
      assert.deepEqual(left(), [installed]);
    });
  }

  it('says that npm is missing', async () => {
    const { cache, expected } = await world(COPY);
    const env = { PATH: '/nonexistent' };
    await assert.rejects(
      setupOnnxRuntime({ cacheFolder: cache, env, expected }),
      /npm was not found/,
    );
  });

  it('says when the package holds no library for this platform', async () => {
    const { cache, env, expected, left } = await world(
      COPY,
      tarball({ 'package/x': Buffer.from('x') }),
    );
    await assert.rejects(
      setupOnnxRuntime({ cacheFolder: cache, env, expected }),
      /holds no libonnxruntime/,
    );
    assert.deepEqual(left(), []);
  });

  it('stops npm and cleans up when the signal fires', async () => {
    const { cache, env, expected, left } = await world('exec sleep 1000');
    const controller = new AbortController();
    const setup = setupOnnxRuntime({
      cacheFolder: cache,
      env,
      expected,
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await assert.rejects(setup, { code: 'Cancelled' });
    assert.deepEqual(left(), []);
  });

  it('removes what a killed run left behind', async () => {
    const { cache, env, expected, left } = await world(COPY);
    // Larger than any pid the kernel hands out.
    mkdirSync(join(cache, 'onnxruntime', '.staging-4194305-x'), { recursive: true });
    await setupOnnxRuntime({ cacheFolder: cache, env, expected });
    assert.deepEqual(left(), [installed]);
  });
});

describe('findOnnxRuntime', () => {
  it('takes the variable first, then the cache', () => {
    assert.equal(findOnnxRuntime({ NEREID_ONNXRUNTIME: '/x/y.so' }), '/x/y.so');
    const cache = mkdtempSync(join(root, 'find-'));
    assert.equal(findOnnxRuntime({ XDG_CACHE_HOME: cache }), undefined);
    const file = join(
      cache,
      'nereid/onnxruntime',
      `1.30.0-linux-${process.arch}/libonnxruntime.so.1`,
    );
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, '');
    assert.equal(findOnnxRuntime({ XDG_CACHE_HOME: cache }), file);
  });
});
