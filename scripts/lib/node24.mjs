// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Failure } from './failure.mjs';
import { npmCi } from './npm.mjs';
import { cacheFolder, root } from './paths.mjs';
import { ask } from './run.mjs';
import { say } from './say.mjs';

/** True where Node runs TypeScript without a flag: 22.18, 23.6 and everything from 24 on. */
export function stripsTypes(version = process.versions.node) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major >= 24 || (major === 23 && minor >= 6) || (major === 22 && minor >= 18);
}

function locked() {
  const lock = JSON.parse(readFileSync(join(root, 'scripts/node24/package-lock.json'), 'utf8'));
  const name = `node-linux-${process.arch}`;
  const entry = lock.packages[`node_modules/${name}`];
  if (process.platform !== 'linux' || entry === undefined) {
    throw new Failure(
      `Node ${process.versions.node} is too old to run TypeScript, and Node 24 is locked for linux-x64 and linux-arm64 only: install Node 24.`,
    );
  }
  return { name, version: entry.version, entry };
}

function installedFolder({ name, version }) {
  return join(cacheFolder(), `${name}-${version}`);
}

function binaryIn(folder, { name }) {
  return join(folder, 'node_modules', name, 'bin/node');
}

/** The Node that runs Nereid: this one if it can, else the locked one when it has been fetched, else undefined. */
export function findNode24() {
  if (stripsTypes()) return process.execPath;
  const wanted = locked();
  const binary = binaryIn(installedFolder(wanted), wanted);
  return existsSync(binary) ? binary : undefined;
}

/** Fetches the locked Node into the cache; visible in one rename, so that a broken run leaves nothing half-done. */
export async function installNode24() {
  const wanted = locked();
  const target = installedFolder(wanted);
  const staging = join(cacheFolder(), `.node24-${process.pid}`);
  removeDeadStagings();
  mkdirSync(staging, { recursive: true });
  try {
    // Only this platform's package, and not optional: npm drops an optional one silently when the download fails.
    const { optional, ...entry } = wanted.entry;
    const dependencies = { [wanted.name]: wanted.version };
    const manifest = { name: 'nereid-node24', private: true, dependencies };
    const packages = { '': { ...manifest }, [`node_modules/${wanted.name}`]: entry };
    writeFileSync(join(staging, 'package.json'), JSON.stringify(manifest));
    writeFileSync(
      join(staging, 'package-lock.json'),
      JSON.stringify({ name: manifest.name, lockfileVersion: 3, requires: true, packages }),
    );
    await npmCi('node24', `Installing Node ${wanted.version}`, process.execPath, staging, 260);
    if (ask(binaryIn(staging, wanted), ['--version'])?.trim() !== `v${wanted.version}`) {
      throw new Failure(
        `Node ${wanted.version} was installed but does not run on this machine: install Node 24.`,
      );
    }
    if (!existsSync(target)) renameSync(staging, target);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  const binary = binaryIn(target, wanted);
  say(`Node ${wanted.version} is at ${binary}`);
  return binary;
}

function removeDeadStagings() {
  const cache = cacheFolder();
  if (!existsSync(cache)) return;
  for (const name of readdirSync(cache)) {
    const pid = Number(/^\.node24-(\d+)$/.exec(name)?.[1]);
    if (pid > 0 && !existsSync(`/proc/${pid}`))
      rmSync(join(cache, name), { recursive: true, force: true });
  }
}
