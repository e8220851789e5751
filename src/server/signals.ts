// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { constants } from 'node:os';

/** The longest delay a timer takes. */
const FOREVER_MS = 2_147_483_647;

/**
 * Waits for the first SIGINT or SIGTERM. Later ones are ignored for the rest of the process: a stop under way is not
 * hurried by a second Ctrl-C. The process stays alive meanwhile, also with every port off.
 * @returns the signal's number
 */
export function firstSignal(): Promise<number> {
  return new Promise((resolve) => {
    const alive = setInterval(() => undefined, FOREVER_MS);
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      process.on(name, () => {
        clearInterval(alive);
        resolve(constants.signals[name]);
      });
    }
  });
}

/** Calls `act` at every SIGHUP from now on, which would end the process otherwise. */
export function onHangUp(act: () => void): void {
  process.on('SIGHUP', act);
}
