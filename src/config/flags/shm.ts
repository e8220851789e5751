// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { bool, both, type Flag } from './flag.ts';

/** Shared memory of clients. */
export interface ShmOptions {
  /** clients may register regions of both kinds, system and CUDA */
  readonly allowClientShm: boolean;
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptyShmOptions: ShmOptions = { allowClientShm: false };

export const shmFlags: readonly Flag<ShmOptions>[] = [
  {
    name: 'allow-client-shm',
    group: 'Memory and devices',
    value: '<boolean>',
    help: 'Let clients register shared memory, of the system and of CUDA, for their tensors.',
    defaults: both('false'),
    set: (draft, value) => {
      draft.allowClientShm = bool(value);
    },
  },
];
