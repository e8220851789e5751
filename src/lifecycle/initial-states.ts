// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { readFile, stat } from 'node:fs/promises';
import { posix } from 'node:path';
import { invalidArgument } from '../base/status.ts';
import type { ModelConfig } from '../config/model-config.ts';
import type { ModelFolder } from '../repository/source.ts';
import { MAX_INITIAL_STATE_BYTES } from './sequence-plan.ts';

const FOLDER = 'initial_state';

/**
 * Reads the files that states begin with.
 * @returns their bytes by input name of the state; a state without a file is absent
 * @throws ServeError InvalidArgument when one cannot be read
 */
export async function readInitialStates(
  config: ModelConfig,
  folder: ModelFolder,
): Promise<Map<string, Uint8Array>> {
  const result = new Map<string, Uint8Array>();
  for (const state of config.sequence_batching?.state ?? []) {
    const name = state.initial_state[0]?.data_file;
    if (name === undefined) continue;
    const inside = posix.normalize(`${FOLDER}/${name}`);
    const path = inside.startsWith(`${FOLDER}/`) ? await folder.locate(inside) : undefined;
    const info = path === undefined ? undefined : await stat(path).catch(() => undefined);
    if (path === undefined || info?.isFile() !== true)
      throw invalidArgument(
        `initial_state file '${name}' for state input '${state.input_name}' cannot be read`,
      );
    if (info.size > MAX_INITIAL_STATE_BYTES)
      throw invalidArgument(
        `initial_state file '${name}': expected at most ${MAX_INITIAL_STATE_BYTES} bytes, got ${info.size}`,
      );
    result.set(state.input_name, await readFile(path));
  }
  return result;
}
