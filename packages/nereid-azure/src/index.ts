// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { StoreOptions } from 'nereid-server';
import { accessOf } from './access.ts';
import { BlobStore } from './blob-store.ts';

/** Called by nereid-server for a repository of `as://`. */
export async function openStore(options: StoreOptions): Promise<BlobStore> {
  return new BlobStore(accessOf(options), options.bucket);
}
