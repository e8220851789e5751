// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/** run.sh with a set-up and a program of the test's own: who gets which argument, signal, lock and exit code. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, afterEach, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'nereid run ')); // a blank in the path, as users have
after(() => rmSync(root, { recursive: true, force: true }));

// Says hello to the test and waits for its word: `go` lets it end well, `fail` with 9.
const SETUP = `
import { connect } from 'node:net';
import { writeFileSync } from 'node:fs';
const socket = connect(Number(process.env.TEST_PORT), '127.0.0.1', () => socket.write(process.argv[2] + '\\n'));
process.on('SIGTERM', () => { socket.end('stopped\\n', () => process.exit(143)); });
socket.on('data', (word) => {
  writeFileSync('.nereid/env', "NODE24='" + process.execPath + "'; export NODE24\\nFROM_SETUP=yes; export FROM_SETUP\\n");
  process.exit(String(word) === 'go' ? 0 : 9);
});
`;

const PROGRAM = `
process.on('SIGTERM', () => process.exit(7));
process.stdout.write(JSON.stringify({ argv: process.argv.slice(2), pid: process.pid, env: process.env.FROM_SETUP }) + '\\n');
if (process.argv.includes('--stay')) setInterval(() => {}, 1e6); else process.exit(5);
`;

let folder = '';
let server: Server;
let setups: { socket: Socket; text: () => string }[] = [];
let onSetup: (() => void) | undefined;
const children: ChildProcess[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(root, 'clone '));
  mkdirSync(join(folder, 'scripts'));
  copyFileSync(join(here, 'run.sh'), join(folder, 'scripts/run.sh'));
  writeFileSync(join(folder, 'scripts/bootstrap.mjs'), SETUP);
  writeFileSync(join(folder, 'program.mjs'), PROGRAM);
  setups = [];
  server = createServer((socket) => {
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes;
      if (!setups.some((one) => one.socket === socket)) {
        setups.push({ socket, text: () => text });
        onSetup?.();
      }
    });
    socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const { socket } of setups) socket.destroy();
  server.close();
});

/** Resolves when the n-th set-up has said hello. */
async function setup(n: number): Promise<{ socket: Socket; text: () => string }> {
  for (;;) {
    const found = setups[n - 1];
    if (found !== undefined) return found;
    await new Promise<void>((resolve) => {
      onSetup = resolve;
    });
  }
}

function start(...args: readonly string[]) {
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const child = spawn('sh', [join(folder, 'scripts/run.sh'), 'start', 'program.mjs', ...args], {
    env: { PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, TEST_PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let out = '';
  let err = '';
  const seen = (stream: 'out' | 'err', pattern: RegExp) =>
    new Promise<string>((resolve) => {
      const look = () => {
        const text = stream === 'out' ? out : err;
        if (pattern.test(text)) resolve(text);
      };
      child[stream === 'out' ? 'stdout' : 'stderr'].on('data', look);
      look();
    });
  child.stdout.on('data', (bytes) => {
    out += bytes;
  });
  child.stderr.on('data', (bytes) => {
    err += bytes;
  });
  const exited = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  return { child, seen, exited, output: () => out };
}

describe('run.sh', () => {
  it('passes arguments and the environment of the set-up on, and gives the exit code back', async () => {
    const run = start('two words', "it's", '$HOME', '');
    const one = await setup(1);
    one.socket.write('go');
    assert.deepEqual(await run.exited, [5, null]);
    const { argv, env } = JSON.parse(run.output()) as { argv: string[]; env: string };
    assert.deepEqual(argv, ['two words', "it's", '$HOME', '']);
    assert.equal(env, 'yes');
    assert.equal(one.text(), '--for=start\n');
  });

  it('leaves no process of the set-up: the program has the pid that was started', async () => {
    const run = start('--stay');
    (await setup(1)).socket.write('go');
    const { pid } = JSON.parse(await run.seen('out', /\n/)) as { pid: number };
    assert.equal(pid, run.child.pid);
    const open = readdirSync(`/proc/${pid}/fd`).flatMap((name) => {
      try {
        return [readlinkSync(`/proc/${pid}/fd/${name}`)];
      } catch {
        return []; // closed since it was listed
      }
    });
    assert.ok(open.length > 2);
    assert.ok(!open.some((file) => file.endsWith('.nereid/lock')), 'the program holds the lock');
    run.child.kill('SIGTERM');
    assert.deepEqual(await run.exited, [7, null]);
  });

  it('does not start the program when the set-up failed', async () => {
    const run = start();
    (await setup(1)).socket.write('fail');
    assert.deepEqual(await run.exited, [9, null]);
    assert.equal(run.output(), '');
  });

  it('passes a signal on to the set-up and ends with it', async () => {
    const run = start();
    const one = await setup(1);
    run.child.kill('SIGTERM');
    assert.deepEqual(await run.exited, [143, null]);
    assert.match(one.text(), /stopped/);
    assert.equal(run.output(), '');
  });

  it('keeps two set-ups of one clone apart', async () => {
    const first = start();
    const one = await setup(1);
    const second = start();
    await second.seen('err', /waiting for another set-up/);
    assert.equal(setups.length, 1);
    one.socket.write('go');
    (await setup(2)).socket.write('go');
    assert.deepEqual(await first.exited, [5, null]);
    assert.deepEqual(await second.exited, [5, null]);
  });

  it('goes on when the other set-up was killed', async () => {
    const first = start();
    const one = await setup(1);
    const second = start();
    await second.seen('err', /waiting for another set-up/);
    first.child.kill('SIGKILL');
    // What was killed cannot tell its set-up; that one ends by itself.
    one.socket.write('fail');
    (await setup(2)).socket.write('go');
    assert.deepEqual(await second.exited, [5, null]);
  });

  it('names the Node that is missing', async () => {
    const empty = mkdtempSync(join(root, 'bin-'));
    const child = spawn('/bin/sh', [join(folder, 'scripts/run.sh'), 'start'], {
      env: { PATH: empty },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let text = '';
    child.stderr.on('data', (bytes) => {
      text += bytes;
    });
    await once(child, 'close');
    assert.match(text, /Node 20 or newer was not found in PATH/);
  });
});
