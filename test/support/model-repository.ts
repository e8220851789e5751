// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { access, cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from './nereid.ts';

const SOURCES = [
  'model_repository',
  'test/fixtures/models',
  'test/fixtures/late',
  'test/fixtures/broken',
  'test/fixtures/streams',
  'test/fixtures/queues',
  'test/fixtures/sequences',
  'test/fixtures/ensembles',
  'test/fixtures/cached',
];

/**
 * Makes a repository of copied models, which a test may change.
 * @param folder created when it is not there
 * @param names model folders, looked up in the example repository and in test/fixtures
 */
export async function addModels(folder: string, names: readonly string[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of names) {
    await cp(await findModel(name), join(folder, name), { recursive: true });
  }
}

async function findModel(name: string): Promise<string> {
  for (const source of SOURCES) {
    const folder = join(projectRoot, source, name);
    if (await exists(folder)) return folder;
  }
  throw new Error(`no model '${name}' in ${SOURCES.join(', ')}`);
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
