// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { existsSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Failure, hasSpaceLeft, requireSpace } from './failure.mjs';
import { runTool } from './run.mjs';

/** npm's own script: the npm that runs us, else the one in PATH. node-linux-* packages carry none. */
export function findNpm(env = process.env) {
  if (env.npm_execpath?.endsWith('npm-cli.js') && existsSync(env.npm_execpath))
    return env.npm_execpath;
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    const file = join(folder, 'npm');
    if (folder !== '' && existsSync(file)) {
      const real = realpathSync(file);
      if (real.endsWith('npm-cli.js')) return real;
      // Some distributions put a shell script there, with npm beside it.
      const beside = join(real, '../../lib/node_modules/npm/bin/npm-cli.js');
      if (existsSync(beside)) return beside;
    }
  }
  throw new Failure('npm was not found in PATH: install it, then run the same command again.');
}

/**
 * A locked install with every install script off, run by `node`.
 * @param needed MiB that the packages take on disk
 */
export async function npmCi(step, what, node, folder, needed) {
  requireSpace(what, folder, needed);
  const flags = [
    '--ignore-scripts',
    '--include=dev',
    '--no-audit',
    '--no-fund',
    '--no-update-notifier',
  ];
  await runTool(step, what, node, [findNpm(), 'ci', ...flags], { cwd: folder });
  if (hasSpaceLeft(folder)) return;
  rmSync(join(folder, 'node_modules/.package-lock.json'), { force: true });
  throw new Failure(`${what} failed: the disk is full: make room and run the same command again.`);
}

/**
 * True when node_modules holds what package-lock.json asks for, as npm itself wrote down when it finished.
 * Packages for other platforms may be absent.
 */
export function isInstalled(folder) {
  const hidden = readLock(join(folder, 'node_modules/.package-lock.json'));
  const wanted = readLock(join(folder, 'package-lock.json'));
  if (hidden === undefined || wanted === undefined) return false;
  const paths = Object.keys(wanted).filter((path) => path !== '');
  return (
    paths.every((path) =>
      hidden[path] === undefined
        ? wanted[path].optional === true
        : hidden[path].integrity === wanted[path].integrity,
    ) && Object.keys(hidden).every((path) => wanted[path] !== undefined)
  );
}

function readLock(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return undefined;
  }
}
