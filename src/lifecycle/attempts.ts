// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { sleep } from '../base/abort.ts';
import type { Log } from '../base/log.ts';
import { ServeError } from '../base/status.ts';
import { ConfigError } from '../config/config-error.ts';
import { tritonName } from './load-failure.ts';

/** A failure that passes by itself (memory that another model gives back, a file being copied) needs a moment. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;

/** A load that takes longer is reported, at twice the time again and again. */
const FIRST_REPORT_MS = 10_000;

export interface AttemptOptions {
  /** what is loaded, as the log names it */
  readonly what: string;
  /** attempts after the first */
  readonly retries: number;
  /** fires when nothing is to be tried again */
  readonly signal: AbortSignal;
  readonly log: Pick<Log, 'info' | 'error'>;
}

/**
 * Runs a load, and runs it again when it fails and may fail otherwise the next time; says in the log how long it takes.
 * @throws what the last attempt threw
 */
export async function attemptLoad<T>(work: () => Promise<T>, options: AttemptOptions): Promise<T> {
  const { what, retries, signal, log } = options;
  const stop = reportProgress(what, log);
  try {
    for (let retry = 1; ; retry++) {
      try {
        return await work();
      } catch (thrown) {
        const error = ServeError.from(thrown);
        // The same text gives the same configuration.
        if (retry > retries || signal.aborted || error instanceof ConfigError) throw error;
        log.error(
          `failed to load ${what}: ${tritonName(error.code)}: ${error.message} (attempt ${retry} of ${retries + 1})`,
        );
      }
      const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (retry - 1), LONGEST_PAUSE_MS);
      await sleep(pauseMs, signal).catch(() => undefined);
    }
  } finally {
    stop();
  }
}

/** @returns a function that ends the reports */
function reportProgress(what: string, log: Pick<Log, 'info'>): () => void {
  const startedMs = performance.now();
  let timer: NodeJS.Timeout;
  const report = (delayMs: number): void => {
    timer = setTimeout(() => {
      const seconds = Math.round((performance.now() - startedMs) / 1000);
      log.info(`still loading ${what} after ${seconds} s`);
      report(delayMs * 2);
    }, delayMs);
    timer.unref();
  };
  report(FIRST_REPORT_MS);
  return () => clearTimeout(timer);
}
