// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { invalidArgument } from '../base/status.ts';

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/**
 * A version as clients write it.
 * @returns undefined for the empty text: the highest that serves
 * @throws ServeError InvalidArgument in Triton's words
 */
export function parseVersion(text: string): bigint | undefined {
  if (text === '') return undefined;
  const version = /^-?\d+$/.test(text) ? BigInt(text) : undefined;
  if (version === undefined || version > INT64_MAX || version < INT64_MIN) {
    throw invalidArgument(
      `failed to get model version from specified version string '${text}' (details: stol), ` +
        'version should be an integral value > 0',
    );
  }
  if (version >= 0n) return version;
  throw invalidArgument(
    `invalid model version specified '${text}' , version should be an integral value > 0`,
  );
}
