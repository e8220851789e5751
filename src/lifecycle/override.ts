// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { type ServeError, unimplemented } from '../base/status.ts';
import { resolveBackend } from '../config/complete.ts';
import type { ModelConfig } from '../config/model-config.ts';
import { findCode, type OverrideFiles, shown } from '../repository/override-files.ts';
import type { ModelFolder } from '../repository/source.ts';
import { type DraftModel, draftModel } from './loader.ts';

/** What decides which code runs a model. */
interface Code {
  readonly backend: string;
  readonly runtime: string;
  readonly libraries: readonly string[];
}

/**
 * Refuses a load that brings code of its own: files that would be run, or a configuration that has other code run the
 * model than the repository says. What the repository does not have is not replaced, so its backend is free.
 * @param draft the model as the load describes it
 * @param files of the load, by their place in the model
 * @param stored the model as the repository has it; absent when it has none
 * @throws ServeError Unimplemented that names the flag
 */
export function checkOverrideCode(
  draft: DraftModel,
  files: OverrideFiles,
  stored: ModelFolder | undefined,
): void {
  const { name } = draft.folder;
  const code = findCode(files);
  if (code !== undefined) throw refused(name, `${shown(`file:${code}`)} is code`);
  const wanted = codeOf(draft);
  const known = stored === undefined ? undefined : storedCode(stored);
  if (known !== undefined && wanted.backend !== known.backend) {
    throw refused(name, `the configuration replaces backend '${known.backend}'`);
  }
  if (wanted.runtime !== (known?.runtime ?? '')) {
    throw refused(name, `the configuration names runtime ${shown(wanted.runtime)}`);
  }
  const own = new Set(known?.libraries);
  const foreign = wanted.libraries.find((library) => !own.has(library));
  if (foreign !== undefined) {
    throw refused(name, `the configuration names operator library ${shown(foreign)}`);
  }
}

const refused = (name: string, what: string): ServeError =>
  unimplemented(
    `load of model '${name}': ${what}. Code in a load is disabled. ` +
      "Start the server with '--allow-override-code=true' to enable.",
  );

function codeOf(draft: DraftModel): Code {
  const { config, source, folder } = draft;
  const versionDirFiles = (draft.versions.at(-1) ?? folder.versions.at(-1))?.files ?? [];
  const resolved = resolveBackend(config, { modelName: folder.name, versionDirFiles, source });
  return {
    backend: backendOf(resolved),
    runtime: resolved.runtime,
    libraries: resolved.model_operations?.op_library_filename ?? [],
  };
}

const backendOf = ({ backend, platform }: ModelConfig): string => backend || platform;

/** Undefined when the repository's own configuration cannot be read: nothing serves from it. */
function storedCode(folder: ModelFolder): Code | undefined {
  try {
    return codeOf(draftModel(folder));
  } catch {
    return undefined;
  }
}
