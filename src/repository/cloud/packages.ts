// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { unavailable } from '../../base/status.ts';
import type { CloudScheme } from './cloud-path.ts';
import type { StorePackage } from './object-store.ts';

/** Packages of their own: their clients weigh more than this server. */
export const STORE_PACKAGES: Readonly<Record<CloudScheme, string>> = {
  s3: 'nereid-s3',
  gs: 'nereid-gcs',
  as: 'nereid-azure',
};

/**
 * Loads the package of a store from where this server is installed, else from the folders of NODE_PATH.
 * @throws ServeError Unavailable that says how to install it
 */
export async function loadStorePackage(
  scheme: CloudScheme,
  find: (name: string) => string = createRequire(import.meta.url).resolve,
): Promise<StorePackage> {
  const name = STORE_PACKAGES[scheme];
  const install = `npm install ${name}, beside this server or in a folder of NODE_PATH`;
  let file: string;
  try {
    file = find(name);
  } catch {
    throw unavailable(`${scheme}:// repositories need the package ${name}: ${install}`);
  }
  const loaded: unknown = await import(pathToFileURL(file).href).catch((thrown: unknown) => {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw unavailable(`the package ${name} cannot be loaded (${reason}): ${install}`);
  });
  if (!isStorePackage(loaded)) {
    throw unavailable(`the package ${name} exports no openStore: ${install}`);
  }
  return loaded;
}

function isStorePackage(loaded: unknown): loaded is StorePackage {
  return (
    typeof loaded === 'object' &&
    loaded !== null &&
    'openStore' in loaded &&
    typeof loaded.openStore === 'function'
  );
}
