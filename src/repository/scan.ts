// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { internal, invalidArgument } from '../base/status.ts';
import type { ModelFolder, RepositorySource } from './source.ts';

/** Triton's reason for a model that several repositories hold. */
export const DUPLICATE_REASON = 'model appears in two or more repositories';

/** A name found in the repositories. */
export interface ListedModel {
  readonly name: string;
  /** true when more than one repository holds it: such a model is not served */
  readonly isDuplicate: boolean;
}

/**
 * Refuses names that would leave the repository.
 * @throws ServeError InvalidArgument, in Triton's words
 */
export function checkModelName(name: string): void {
  if (
    name === '' ||
    name.includes('/') ||
    name.includes('\0') ||
    name === '.' ||
    name.includes('..')
  ) {
    throw invalidArgument(
      `invalid model name '${name}', model name must not contain path traversal characters`,
    );
  }
}

/** Every name in the repositories, sorted. */
export async function listModels(
  sources: readonly RepositorySource[],
  signal?: AbortSignal,
): Promise<ListedModel[]> {
  const counts = new Map<string, number>();
  for (const names of await Promise.all(sources.map((source) => source.list(signal)))) {
    for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts]
    .map(([name, count]) => ({ name, isDuplicate: count > 1 }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Finds the one repository that holds a model and reads it.
 * @throws ServeError InvalidArgument for a bad name; Internal when no repository, or more than one, holds it
 */
export async function readModel(
  sources: readonly RepositorySource[],
  name: string,
  signal?: AbortSignal,
): Promise<ModelFolder> {
  checkModelName(name);
  const found: ModelFolder[] = [];
  for (const source of sources) {
    const folder = await source.read(name, signal);
    if (folder !== undefined) found.push(folder);
  }
  const [folder, second] = found;
  if (folder === undefined) throw internal(`no repository holds a folder '${name}'`);
  if (second !== undefined) throw internal(DUPLICATE_REASON);
  return folder;
}
