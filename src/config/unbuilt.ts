// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ServerOptions } from './options.ts';

/** What a flag of Triton may ask for that this server does not do and that must not be passed over. */
export interface Unbuilt {
  readonly flag: string;
  asks(options: ServerOptions): boolean;
  readonly why: string;
}

/** These end the start: serving without them would open or change what a deployment relies on. */
export const unbuilt: readonly Unbuilt[] = [
  {
    flag: 'model-repository',
    asks: (options) => options.modelRepositories.some((path) => /^(?:gs|as):\/\//.test(path)),
    why: 'repositories of gs:// and as:// are not built yet, a folder of this machine or s3:// is expected',
  },
  {
    flag: 'cache-config',
    asks: (options) => options.cacheConfig.some(({ name }) => name !== 'local'),
    why: 'this server has the cache local and no other',
  },
];

/** @returns a sentence about the first thing asked for that is not built, or undefined */
export function findUnbuilt(options: ServerOptions): string | undefined {
  const found = unbuilt.find(({ asks }) => asks(options));
  return found && `option '--${found.flag}' is not supported: ${found.why}`;
}
