// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/**
 * npm's install script of the published package: takes the prebuilt addon if it loads, else builds the native sources
 * that the package carries, else says in one sentence what is missing. In a clone `npm start` does this and more.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { buildNative } from './build-native.mjs';
import { root } from './lib/paths.mjs';

/** Tried in a process of its own: a library that does not fit may end the process that loads it. */
function loads(file) {
  if (!existsSync(file)) return false;
  const load = 'process.dlopen({ exports: {} }, process.argv[1])';
  return spawnSync(process.execPath, ['-e', load, file], { stdio: 'ignore' }).status === 0;
}

async function main() {
  const isClone = existsSync(join(root, 'src/main.ts'));
  if (isClone) {
    console.error(
      'nereid-server: in a clone the addon is built by npm start, npm test or npm run build.',
    );
    return 0;
  }
  const prebuilt = join(root, 'prebuilds', `${process.platform}-${process.arch}`, 'nereid.node');
  if (loads(prebuilt)) return 0;
  console.error('nereid-server: no prebuilt addon fits this machine, building it from source.');
  try {
    await buildNative();
    return 0;
  } catch (error) {
    console.error(`nereid-server: the addon could not be built.\n${error.message}`);
    return 1;
  }
}

process.exitCode = await main();
