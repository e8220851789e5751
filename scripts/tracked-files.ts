// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';

const GENERATED = /^(node_modules|dist|dist-native|prebuilds|build|\.git|\.nereid)(\/|$)/;

/** Files of the project, relative to `root`: what git tracks or would track, or every file where there is no git. */
export function trackedFiles(root: string): readonly string[] {
  const git = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  const names =
    git.status === 0 ? git.stdout.split('\0').filter((name) => name !== '') : walk(root);
  return names.filter((name) => !GENERATED.test(name) && existsSync(join(root, name)));
}

function walk(root: string): readonly string[] {
  const below = (folder: string): string[] =>
    readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      const path = join(folder, entry.name);
      if (GENERATED.test(relative(root, path))) return [];
      return entry.isDirectory() ? below(path) : [relative(root, path)];
    });
  return below(root);
}
