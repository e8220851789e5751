// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Compiles src/ of the package in the current folder to its dist/; npm runs it there before it packs. Prints nothing on
 * standard output: npm pack owns that.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const folder = process.cwd();
const staged = join(root, `dist-${process.pid}.log`);
try {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  // The types come from the server's sources, so that everything is compiled from the root; the package alone is kept.
  const { status } = spawnSync(
    process.execPath,
    [tsc, '-p', join(root, 'tsconfig.packages.json'), '--outDir', staged, '--pretty', 'false'],
    { cwd: root, stdio: ['ignore', 2, 2] },
  );
  if (status === 0) {
    rmSync(join(folder, 'dist'), { recursive: true, force: true });
    cpSync(join(staged, relative(root, folder), 'src'), join(folder, 'dist'), { recursive: true });
    cpSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  }
  process.exitCode = status === 0 ? 0 : 1;
} finally {
  rmSync(staged, { recursive: true, force: true });
}
