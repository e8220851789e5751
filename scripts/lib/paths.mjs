// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The clone, or the folder of the installed package. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** What set-up keeps in the clone: build folders, stamps, logs. */
export const stateFolder = join(root, '.nereid');

/** `$XDG_CACHE_HOME/nereid`: downloads that every clone may share. */
export function cacheFolder(env = process.env) {
  const base = env.XDG_CACHE_HOME;
  return join(base?.startsWith('/') ? base : join(homedir(), '.cache'), 'nereid');
}
