// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { Failure } from './failure.mjs';
import { ask } from './run.mjs';

const CMAKE_AT_LEAST = [3, 20];

/** The version that test/tools/fake-gcs-server asks for. */
const GO_AT_LEAST = [1, 19];
/** The version that test/tools/minio asks for. */
const NEWER_GO = [1, 25];

/** The C++ compiler that cmake will take: `$CXX`, else the first of these that is there. */
export function findCompiler(env = process.env) {
  const names = env.CXX ? [env.CXX] : ['c++', 'g++', 'clang++'];
  return names.find((name) => ask(name, ['--version']) !== undefined);
}

function compiles(compiler, source) {
  return ask(compiler, ['-std=c++20', '-fsyntax-only', '-x', 'c++', '-'], source) !== undefined;
}

/** `make` or `ninja`, whichever is there; ninja first, it starts faster. */
export function findBuildTool() {
  return ['ninja', 'make'].find((name) => ask(name, ['--version']) !== undefined);
}

function cmakeIsEnough() {
  const [, major, minor] = /version (\d+)\.(\d+)/.exec(ask('cmake', ['--version']) ?? '') ?? [];
  const [needMajor, needMinor] = CMAKE_AT_LEAST;
  return Number(major) > needMajor || (Number(major) === needMajor && Number(minor) >= needMinor);
}

function goIsEnough([needMajor, needMinor]) {
  const [, major, minor] = /go(\d+)\.(\d+)/.exec(ask('go', ['version']) ?? '') ?? [];
  return Number(major) > needMajor || (Number(major) === needMajor && Number(minor) >= needMinor);
}

// Each: what is looked for, the sentence when it is not there, the Debian packages that bring it.
const REQUIREMENTS = {
  compiler: {
    isThere: () => {
      const compiler = findCompiler();
      return (
        compiler !== undefined &&
        compiles(compiler, '#include <span>\n#include <charconv>\nstd::span<int> s;\n')
      );
    },
    sentence: 'A C++20 compiler (g++ 11 or newer, clang 14 or newer) was not found.',
    packages: ['g++'],
  },
  cmake: {
    isThere: cmakeIsEnough,
    sentence: `cmake ${CMAKE_AT_LEAST.join('.')} or newer was not found.`,
    packages: ['cmake'],
  },
  make: {
    isThere: () => findBuildTool() !== undefined,
    sentence: 'make (or ninja) was not found.',
    packages: ['make'],
  },
  googletest: {
    isThere: () => {
      const compiler = findCompiler();
      // Without a compiler that is the one sentence; GoogleTest is named with it, since the same apt-get brings both.
      return compiler !== undefined && compiles(compiler, '#include <gtest/gtest.h>\n');
    },
    sentence: 'GoogleTest was not found, which the tests of the C++ code need.',
    packages: ['libgtest-dev'],
  },
  python: {
    isThere: () => ask('python3', ['-c', 'import venv, ensurepip']) !== undefined,
    sentence: 'python3 with venv was not found, which the tests with the real clients need.',
    packages: ['python3', 'python3-venv'],
  },
  go: {
    isThere: () => goIsEnough(GO_AT_LEAST),
    sentence: `Go ${GO_AT_LEAST.join('.')} or newer was not found, which builds a server of the tests.`,
    packages: ['golang-go'],
  },
  newerGo: {
    isThere: () => goIsEnough(NEWER_GO),
    sentence: `Go ${NEWER_GO.join('.')} or newer was not found, which builds MinIO for the tests.`,
    packages: ['golang-go'],
  },
  flock: {
    isThere: () => ask('flock', ['--version']) !== undefined,
    sentence: 'flock was not found, which keeps two set-ups apart.',
    packages: ['util-linux'],
  },
};

/**
 * @param names keys of the table above
 * @throws Failure with one sentence for each thing that is missing and the one line that mends them all
 */
export function requireTools(names) {
  const missing = [...new Set(names)]
    .map((name) => REQUIREMENTS[name])
    .filter(({ isThere }) => !isThere());
  if (missing.length === 0) return;
  const packages = [...new Set(missing.flatMap((one) => one.packages))];
  const sudo = process.getuid?.() === 0 ? '' : 'sudo ';
  throw new Failure(
    [
      ...missing.map(({ sentence }) => sentence),
      `Install with: ${sudo}apt-get install -y ${packages.join(' ')}`,
    ].join('\n'),
  );
}
