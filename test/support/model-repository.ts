// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { access, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from './nereid.ts';

export type Flavour = 'nereid' | 'triton';

const SOURCES = ['model_repository', 'test/fixtures/models', 'test/fixtures/late', 'test/fixtures/broken'];
const BACKEND_LINE = /^backend: "([a-z_]+)"$/m;

/**
 * Copies models into a repository for one kind of server. The real Triton has only its Python backend
 * here, so there each model runs the stand-in `test/fixtures/python/<backend>.py` under its own config.
 * @param names model folders, looked up in the example repository and in test/fixtures
 */
export async function addModels(
  repository: string,
  flavour: Flavour,
  names: readonly string[],
): Promise<void> {
  for (const name of names) {
    const target = join(repository, name);
    await cp(await findModel(name), target, { recursive: true });
    if (flavour === 'triton') await useStandIn(target);
  }
}

async function findModel(name: string): Promise<string> {
  for (const source of SOURCES) {
    const folder = join(projectRoot, source, name);
    if (await exists(folder)) return folder;
  }
  throw new Error(`no model '${name}' in ${SOURCES.join(', ')}`);
}

async function useStandIn(model: string): Promise<void> {
  const path = join(model, 'config.pbtxt');
  if (!(await exists(path))) return;
  const text = await readFile(path, 'utf8');
  const backend = BACKEND_LINE.exec(text)?.[1];
  if (backend === undefined) return;
  const standIn = join(projectRoot, 'test/fixtures/python', `${backend}.py`);
  if (!(await exists(standIn))) return;
  await writeFile(path, text.replace(BACKEND_LINE, 'backend: "python"'));
  for (const version of ['1', '2', '3']) {
    const folder = join(model, version);
    if (await exists(folder)) await cp(standIn, join(folder, 'model.py'));
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

export async function makeRepository(
  parent: string,
  flavour: Flavour,
  names: readonly string[],
): Promise<string> {
  const repository = join(parent, `models-${flavour}`);
  await mkdir(repository, { recursive: true });
  await addModels(repository, flavour, names);
  return repository;
}
