// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { StoreOptions } from 'nereid-server';
import { S3Store } from './s3-store.ts';

/** Called by nereid-server for a repository of `s3://`. */
export async function openStore(options: StoreOptions): Promise<S3Store> {
  return new S3Store(options);
}
