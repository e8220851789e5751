// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ServeError, StatusCode } from '../base/status.ts';

/** Triton's words for a load that ended before the model was looked at. */
export const failedToPoll = (name: string): string =>
  `failed to load '${name}', failed to poll from model repository`;

const TRITON_NAMES: Partial<Record<StatusCode, string>> = {
  InvalidArgument: 'Invalid argument',
  NotFound: 'Not found',
  AlreadyExists: 'Already exists',
  Unimplemented: 'Unsupported',
};

/** A code as Triton prints it before a message. */
export function tritonName(code: StatusCode): string {
  return TRITON_NAMES[code] ?? code;
}

/** Why versions could not be built, in Triton's words. */
export interface BuildReasons {
  /** by version, as the index tells it */
  readonly reasons: ReadonlyMap<number, string>;
  /** as the answer of the load tells it */
  readonly text: string;
}

export function buildReasons(failed: ReadonlyMap<number, ServeError>): BuildReasons {
  const reasons = new Map<number, string>();
  let text = '';
  for (const [version, error] of failed) {
    const reason = `${tritonName(error.code)}: ${error.message}`;
    reasons.set(version, reason);
    text += `version ${version} is at UNAVAILABLE state: ${reason};\n`;
  }
  return { reasons, text };
}
