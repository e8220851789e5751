// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { constants } from 'node:os';

/**
 * Waits for the first SIGINT or SIGTERM. Later ones are ignored for the rest of the process: a stop under way is not
 * hurried by a second Ctrl-C.
 * @returns the signal's number
 */
export function firstSignal(): Promise<number> {
  return new Promise((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      process.on(name, () => resolve(constants.signals[name]));
    }
  });
}
