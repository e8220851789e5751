// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { ServeError } from '../base/status.ts';
import type { Binding } from './types.ts';

const ROOT = new URL('../../', import.meta.url);

let loaded: Binding | undefined;

/** Where the addon may lie, best first. `NEREID_ADDON` alone decides when it is set. */
export function addonCandidates(env: NodeJS.ProcessEnv = process.env): string[] {
  const given = env.NEREID_ADDON;
  if (given !== undefined && given !== '') return [given];
  return [
    'dist-native/nereid.node',
    `prebuilds/${process.platform}-${process.arch}/nereid.node`,
  ].map((path) => fileURLToPath(new URL(path, ROOT)));
}

/**
 * Loads the native addon once per thread.
 * @throws ServeError Internal that says what to run when there is none, or when it does not fit this Node
 */
export function loadBinding(env: NodeJS.ProcessEnv = process.env): Binding {
  if (loaded !== undefined) return loaded;
  const candidates = addonCandidates(env);
  const path = candidates.find((candidate) => existsSync(candidate));
  if (path === undefined) {
    throw new ServeError(
      'Internal',
      `the native addon is missing: expected it at ${candidates.join(' or ')}; ` +
        'run `npm run build` in a clone, or `npm rebuild nereid-server` where the package is installed',
    );
  }
  try {
    loaded = createRequire(import.meta.url)(path) as Binding;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ServeError('Internal', `the native addon ${path} cannot be loaded: ${reason}`, {
      cause,
    });
  }
  return loaded;
}
