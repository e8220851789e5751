// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { requireSpace } from './failure.mjs';
import { npmCi } from './npm.mjs';
import { cacheFolder, root } from './paths.mjs';
import { runTool } from './run.mjs';
import { hashOf } from './stamp.mjs';

const GCS_TOOL = 'test/tools/fake-gcs-server';
const AZURE_TOOL = 'test/tools/azurite';

const place = (tool, name) =>
  join(cacheFolder(), `${name}-${hashOf(root, [tool], []).slice(0, 16)}`);

/** The server that stands for Google Cloud Storage in tests, or undefined until `buildFakeGcs` has made it. */
export function findFakeGcs() {
  const program = join(place(GCS_TOOL, 'fake-gcs-server'), 'fake-gcs-server');
  return existsSync(program) ? program : undefined;
}

/** Builds it with Go. The folder appears in one rename: being there is being whole. */
export async function buildFakeGcs() {
  await install(GCS_TOOL, 'fake-gcs-server', 2000, async (folder) => {
    const what = 'Building fake-gcs-server';
    const flags = ['-ldflags=-s -w', '-o', join(folder, 'fake-gcs-server')];
    await runTool(
      'fake-gcs-server',
      what,
      'go',
      ['build', ...flags, 'github.com/fsouza/fake-gcs-server'],
      {
        cwd: join(root, GCS_TOOL),
        env: { ...process.env, GOFLAGS: '-mod=readonly', GOTOOLCHAIN: 'local' },
      },
    );
  });
}

/** The script of the server that stands for Azure, or undefined until `installAzurite` has brought it. */
export function findAzurite() {
  const script = join(place(AZURE_TOOL, 'azurite'), 'node_modules/azurite/dist/src/blob/main.js');
  return existsSync(script) ? script : undefined;
}

/** @param node that runs npm */
export async function installAzurite(node) {
  await install(AZURE_TOOL, 'azurite', 400, async (folder) => {
    for (const file of ['package.json', 'package-lock.json']) {
      cpSync(join(root, AZURE_TOOL, file), join(folder, file));
    }
    await npmCi('azurite', 'Installing azurite', node, folder, 400);
  });
}

/** @param needed MiB on disk meanwhile */
async function install(tool, name, needed, work) {
  const target = place(tool, name);
  requireSpace(`Installing ${name}`, cacheFolder(), needed);
  const staged = `${target}.${process.pid}`;
  mkdirSync(staged, { recursive: true });
  try {
    await work(staged);
    // Another clone may have been quicker.
    if (!existsSync(target)) renameSync(staged, target);
  } finally {
    rmSync(staged, { recursive: true, force: true });
  }
}
