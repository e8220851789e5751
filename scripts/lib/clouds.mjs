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
const MINIO_TOOL = 'test/tools/minio';
const AZURE_TOOL = 'test/tools/azurite';

const place = (tool, name) =>
  join(cacheFolder(), `${name}-${hashOf(root, [tool], []).slice(0, 16)}`);

/** The server that stands for Google Cloud Storage in tests, or undefined until `buildFakeGcs` has made it. */
export function findFakeGcs() {
  return findProgram(GCS_TOOL, 'fake-gcs-server');
}

export async function buildFakeGcs() {
  await buildProgram(GCS_TOOL, 'fake-gcs-server', 'github.com/fsouza/fake-gcs-server', 2000);
}

/** MinIO, or undefined until `buildMinio` has made it. */
export function findMinio() {
  return findProgram(MINIO_TOOL, 'minio');
}

export async function buildMinio() {
  await buildProgram(MINIO_TOOL, 'minio', 'github.com/minio/minio', 4000);
}

function findProgram(tool, name) {
  const program = join(place(tool, name), name);
  return existsSync(program) ? program : undefined;
}

/**
 * Builds a program with Go. The folder appears in one rename: being there is being whole.
 * @param needed MiB on disk meanwhile
 */
async function buildProgram(tool, name, module, needed) {
  await install(tool, name, needed, async (folder) => {
    const flags = ['-ldflags=-s -w', '-o', join(folder, name)];
    await runTool(name, `Building ${name}`, 'go', ['build', ...flags, module], {
      cwd: join(root, tool),
      env: { ...process.env, GOFLAGS: '-mod=readonly', GOTOOLCHAIN: 'local' },
    });
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
