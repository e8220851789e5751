// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { ServeError } from '../base/status.ts';
import type { FetchedModel, ModelFolder, VersionFolder } from '../repository/source.ts';

/** The files of a model could not be brought to this machine. */
export class UnfetchedModel extends ServeError {}

/**
 * Does something with a model whose files are on this machine; those of a store are brought here and removed again.
 * @param versions whose files it needs
 * @throws UnfetchedModel
 */
export async function withFiles<T>(
  folder: ModelFolder,
  versions: readonly VersionFolder[],
  work: (folder: ModelFolder) => Promise<T>,
): Promise<T> {
  if (folder.fetch === undefined) return work(folder);
  let fetched: FetchedModel;
  try {
    fetched = await folder.fetch(versions.map(({ version }) => version));
  } catch (thrown) {
    const { code, message } = ServeError.from(thrown);
    throw new UnfetchedModel(code, message, { cause: thrown });
  }
  const { locate } = fetched;
  try {
    return await work({ ...folder, locate });
  } finally {
    await fetched.remove();
  }
}
