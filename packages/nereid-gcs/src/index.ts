// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { StoreOptions } from 'nereid-server';
import { accessTokens } from './access-tokens.ts';
import { GcsStore } from './gcs-store.ts';

const GOOGLE = 'https://storage.googleapis.com';

/**
 * Called by nereid-server for a repository of `gs://`. `STORAGE_EMULATOR_HOST` names another server, which is asked
 * without credentials, as Google's own libraries do.
 */
export async function openStore({ bucket, credentials, env }: StoreOptions): Promise<GcsStore> {
  const emulator = env['STORAGE_EMULATOR_HOST'] ?? '';
  if (emulator !== '') {
    const endpoint = /^https?:\/\//.test(emulator) ? emulator : `http://${emulator}`;
    return new GcsStore({ bucket, endpoint: new URL(endpoint).origin, token: async () => '' });
  }
  return new GcsStore({ bucket, endpoint: GOOGLE, token: await accessTokens(credentials, env) });
}
