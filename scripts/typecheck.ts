// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Checks the types of everything as Node 24 runs it, and of what is published against the library of ES2023, since the
 * package runs on Node 20.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const tsc = join(root, 'node_modules/typescript/bin/tsc');

const codes = ['tsconfig.json', 'tsconfig.build.json', 'tsconfig.packages.json'].map(
  (project) =>
    spawnSync(process.execPath, [tsc, '--noEmit', '--pretty', 'false', '-p', join(root, project)], {
      cwd: root,
      stdio: 'inherit',
    }).status,
);
process.exitCode = codes.every((code) => code === 0) ? 0 : 1;
