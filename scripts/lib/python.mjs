// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { requireSpace } from './failure.mjs';
import { cacheFolder, root } from './paths.mjs';
import { ask, runTool } from './run.mjs';
import { hashOf } from './stamp.mjs';

/** Folder of the virtual environment for these requirement files (paths in the clone). */
function environmentFolder(files) {
  const version = ask('python3', ['-c', 'import sys; print(sys.version)']) ?? '';
  return join(cacheFolder(), `python-${hashOf(root, files, [version]).slice(0, 16)}`);
}

/** The interpreter that has the requirements, or undefined until `installPython` has made it. */
export function findPython(files) {
  const folder = environmentFolder(files);
  return existsSync(join(folder, '.complete')) ? join(folder, 'bin/python') : undefined;
}

/** Makes the virtual environment. Two clones at once take turns; the second finds it done. */
export async function installPython(files) {
  const folder = environmentFolder(files);
  requireSpace('Installing the Python packages of the tests', cacheFolder(), 600);
  mkdirSync(cacheFolder(), { recursive: true });
  const script = [
    'set -e',
    '[ ! -e "$0/.complete" ] || exit 0',
    'python3 -m venv --clear "$0"',
    '"$0/bin/python" -m pip install --disable-pip-version-check --no-input --quiet --only-binary :all: "$@"',
    'touch "$0/.complete"',
  ].join('\n');
  const requirements = files.flatMap((file) => ['-r', join(root, file)]);
  const lock = `${folder}.lock`;
  await runTool('python', 'Installing the Python packages of the tests', 'flock', [
    lock,
    'sh',
    '-c',
    script,
    folder,
    ...requirements,
  ]);
  return join(folder, 'bin/python');
}
