// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Compiles src/ to dist/ as the package ships it; scripts/run.sh has built the addon before. With `--prebuild` (npm
 * pack) the addon is put where the package carries it, too. Prints nothing on standard output: npm pack owns that.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addonFile } from './build-native.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

function compile() {
  // Into a folder beside it first, so that a failed build leaves the old dist/ alone and no stale file survives.
  const staged = join(root, `dist-${process.pid}.log`);
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  try {
    const { status } = spawnSync(
      process.execPath,
      [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', staged, '--pretty', 'false'],
      { cwd: root, stdio: ['ignore', 2, 2] },
    );
    if (status !== 0) return false;
    rmSync(join(root, 'dist'), { recursive: true, force: true });
    renameSync(staged, join(root, 'dist'));
    return true;
  } finally {
    rmSync(staged, { recursive: true, force: true });
  }
}

function prebuild() {
  // A package carries the platform it was packed on; an older one of another platform must not slip in.
  rmSync(join(root, 'prebuilds'), { recursive: true, force: true });
  const folder = join(root, 'prebuilds', `${process.platform}-${process.arch}`);
  mkdirSync(folder, { recursive: true });
  copyFileSync(addonFile, join(folder, 'nereid.node'));
}

if (!compile()) {
  process.exitCode = 1;
} else if (process.argv.includes('--prebuild')) {
  prebuild();
}
