// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/** The set-up on machines that lack something. Each machine is a PATH with links to what it has. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ONNXRUNTIME_PACKAGE } from '../src/setup/onnxruntime.ts';
import { explainSystemError, knownCause } from './lib/failure.mjs';
import { stripsTypes } from './lib/node24.mjs';
import { isInstalled } from './lib/npm.mjs';

const project = join(dirname(fileURLToPath(import.meta.url)), '..');
const root = mkdtempSync(join(tmpdir(), 'nereid-bootstrap-'));
after(() => rmSync(root, { recursive: true, force: true }));

const EVERYTHING = ['c++', 'cmake', 'make', 'ninja', 'flock', 'python3', 'sh', 'npm'];

function clone(): string {
  const folder = mkdtempSync(join(root, 'clone-'));
  for (const path of [
    'scripts',
    'package.json',
    'package-lock.json',
    'CMakeLists.txt',
    'cmake',
    'test/requirements.txt',
    'test/requirements-triton.txt',
  ]) {
    cpSync(join(project, path), join(folder, path), { recursive: true });
  }
  return folder;
}

function machine(tools: readonly string[], fakes: Readonly<Record<string, string>> = {}): string {
  const bin = mkdtempSync(join(root, 'bin-'));
  symlinkSync(process.execPath, join(bin, 'node'));
  for (const tool of tools) {
    // A version manager's python3 is a script that needs more than itself.
    const where =
      tool === 'python3' ? 'python3 -c "import sys; print(sys.executable)"' : `command -v ${tool}`;
    const real = spawnSync('sh', ['-c', where], { encoding: 'utf8' }).stdout.trim();
    if (real !== '') symlinkSync(real, join(bin, tool));
  }
  for (const [name, script] of Object.entries(fakes)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  return bin;
}

function bootstrap(folder: string, path: string, ...args: readonly string[]) {
  return spawnSync(process.execPath, [join(folder, 'scripts/bootstrap.mjs'), ...args], {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: path, HOME: root, XDG_CACHE_HOME: join(root, 'cache') },
  });
}

const without = (...names: readonly string[]) => EVERYTHING.filter((name) => !names.includes(name));

describe('bootstrap', () => {
  const cases: readonly (readonly [
    string,
    string,
    readonly string[],
    Readonly<Record<string, string>>,
    RegExp[],
    string,
  ])[] = [
    ['cmake', 'start', without('cmake'), {}, [/cmake 3\.20 or newer was not found/], 'cmake'],
    [
      'a new cmake',
      'start',
      without('cmake'),
      { cmake: 'echo cmake version 3.18.4' },
      [/cmake 3\.20 or newer/],
      'cmake',
    ],
    ['a compiler', 'start', without('c++'), {}, [/C\+\+20 compiler/], 'g++'],
    [
      'a new compiler',
      'start',
      without('c++'),
      { 'c++': '[ "$1" = --version ]' },
      [/C\+\+20 compiler/],
      'g++',
    ],
    [
      'everything',
      'start',
      ['sh', 'npm'],
      {},
      [/C\+\+20/, /cmake/, /make \(or ninja\)/, /flock/],
      'util-linux g++ cmake make',
    ],
    ['python3', 'test', without('python3'), {}, [/python3 with venv/], 'python3 python3-venv'],
    [
      'venv',
      'test',
      without('python3'),
      { python3: 'exit 1' },
      [/python3 with venv/],
      'python3 python3-venv',
    ],
    [
      'GoogleTest',
      'test',
      without('c++'),
      // Compiles everything but what includes GoogleTest.
      { 'c++': 'if [ "$1" = --version ]; then exit 0; fi; ! grep -q gtest' },
      [/GoogleTest was not found/],
      'libgtest-dev',
    ],
  ];
  for (const [name, purpose, tools, fakes, sentences, packages] of cases) {
    it(`says before any work that ${name} is missing`, () => {
      const folder = clone();
      const path = machine([...tools, ...(fakes['c++'] ? ['grep'] : [])], fakes);
      const { status, stderr } = bootstrap(folder, path, `--for=${purpose}`, 'program');
      assert.equal(status, 1, stderr);
      for (const sentence of sentences) assert.match(stderr, sentence);
      const sudo = process.getuid?.() === 0 ? '' : 'sudo ';
      assert.match(
        stderr,
        new RegExp(`Install with: ${sudo}apt-get install -y ${packages.replaceAll('+', '\\+')}\n$`),
      );
      assert.equal(stderr.trimEnd().split('\n').length, sentences.length + 1, stderr);
      assert.ok(!existsSync(join(folder, 'node_modules')));
    });
  }

  it('asks for nothing that a purpose does not need', () => {
    const folder = clone();
    const { status, stderr } = bootstrap(folder, machine(['flock']), '--for=node');
    assert.equal(status, 0, stderr);
    const env = readFileSync(join(folder, '.nereid/env'), 'utf8');
    assert.match(env, /^NODE24='.*'; export NODE24$/m);
  });

  it('complains about a suite that does not exist', () => {
    const { status, stderr } = bootstrap(
      clone(),
      machine(['flock']),
      '--for=test',
      'scripts/test.ts',
      '--only=nothing',
    );
    assert.equal(status, 1);
    assert.match(stderr, /'nothing' is unknown/);
  });

  it('says in one sentence that the registry is out of reach, and heals', () => {
    const folder = clone();
    const broken = mkdtempSync(join(root, 'npm-'));
    mkdirSync(join(broken, 'bin'));
    const npm = join(broken, 'bin/npm-cli.js');
    writeFileSync(npm, 'console.error("npm error code EAI_AGAIN"); process.exit(1)');
    const path = machine(['flock']);
    symlinkSync(npm, join(path, 'npm'));
    const { status, stderr } = bootstrap(folder, path, '--for=tools');
    assert.equal(status, 1);
    assert.match(stderr, /could not be reached \(EAI_AGAIN\).*run the same command again/);
    writeFileSync(
      npm,
      'require("node:fs").mkdirSync("node_modules"); require("node:fs").copyFileSync("package-lock.json", "node_modules/.package-lock.json")',
    );
    assert.equal(bootstrap(folder, path, '--for=tools').status, 0);
    // Nothing left to do: npm is not called again.
    writeFileSync(npm, 'process.exit(1)');
    assert.equal(bootstrap(folder, path, '--for=tools').status, 0);
  });
});

describe('knownCause', () => {
  for (const [output, sentence] of [
    ['npm error nospc ENOSPC: no space left on device, write', /disk is full/],
    ['g++: fatal error: error writing to /tmp/x: No space left on device', /disk is full/],
    ['npm error code ECONNREFUSED', /registry could not be reached \(ECONNREFUSED\)/],
    ['npm error code EINTEGRITY', /damaged/],
    [
      "Failed to establish a new connection: [Errno -3] Temporary failure in name resolution'",
      /Python package index/,
    ],
  ] as const) {
    it(`reads '${output}'`, () => assert.match(knownCause(output) ?? '', sentence));
  }

  it('leaves other failures alone', () => {
    assert.equal(knownCause("error: expected ';' before '}' token"), undefined);
  });
});

describe('explainSystemError', () => {
  it('names a full disk and a folder that cannot be written to', () => {
    assert.match(
      explainSystemError({ code: 'ENOSPC', path: '/x' }).message,
      /disk is full \(\/x\)/,
    );
    assert.match(
      explainSystemError({ code: 'EROFS', path: '/x' }).message,
      /\/x cannot be written to/,
    );
  });
});

describe('stripsTypes', () => {
  for (const [version, expected] of [
    ['20.20.2', false],
    ['22.17.1', false],
    ['22.18.0', true],
    ['23.5.0', false],
    ['23.6.0', true],
    ['24.0.0', true],
    ['26.1.0', true],
  ] as const) {
    it(`is ${expected} for ${version}`, () => assert.equal(stripsTypes(version), expected));
  }
});

describe('the release of ONNX Runtime', () => {
  it('is the same in the set-up, which may not import TypeScript', () => {
    const text = readFileSync(join(project, 'scripts/bootstrap.mjs'), 'utf8');
    assert.ok(text.includes(`'${ONNXRUNTIME_PACKAGE.version}'`));
  });
});

describe('package-lock.json', () => {
  it('names every package of every platform, without which npm ci refuses it', () => {
    const { packages } = JSON.parse(readFileSync(join(project, 'package-lock.json'), 'utf8')) as {
      packages: Record<
        string,
        { optionalDependencies?: Record<string, string>; resolved?: string }
      >;
    };
    for (const [path, { optionalDependencies, resolved }] of Object.entries(packages)) {
      assert.equal(resolved, undefined, `${path} names a registry`);
      for (const name of Object.keys(optionalDependencies ?? {})) {
        assert.ok(packages[`node_modules/${name}`], `${name} is missing`);
      }
    }
  });

  it('is what node_modules holds', () => {
    assert.equal(isInstalled(project), true);
  });
});
