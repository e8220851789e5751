// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { sleep } from '../../base/abort.ts';
import { problemOf, storeError } from './store-error.ts';

export interface RetryOptions {
  readonly attempts: number;
  readonly signal: AbortSignal;
  /** between attempts; for tests */
  readonly pause?: ((ms: number, signal: AbortSignal) => Promise<void>) | undefined;
  /** 0 … 1, for the jitter */
  readonly random?: () => number;
}

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 10_000;

/**
 * What to wait before the next attempt: a random part of a bound that doubles, so that many servers that failed together
 * do not come back together.
 * @param attempt that failed, from 1
 */
export function pauseMs(attempt: number, random: number): number {
  return Math.ceil(random * Math.min(FIRST_PAUSE_MS * 2 ** (attempt - 1), LONGEST_PAUSE_MS));
}

/**
 * Repeats work that a busy store has failed. Nothing else is repeated: what was denied or is missing stays so.
 * @throws what the last attempt threw
 */
export async function withRetries<T>(work: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { attempts, signal, pause = sleep, random = Math.random } = options;
  for (let attempt = 1; ; attempt++) {
    try {
      signal.throwIfAborted();
      return await work();
    } catch (thrown) {
      if (attempt >= attempts || signal.aborted || problemOf(thrown) !== 'busy') throw thrown;
    }
    await pause(pauseMs(attempt, random()), signal);
  }
}

/**
 * Gives one attempt its time.
 * @throws StoreError busy when it has passed; else what the work throws
 */
export async function bounded<T>(
  work: (signal: AbortSignal) => Promise<T>,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<T> {
  const late = AbortSignal.timeout(timeoutMs);
  try {
    return await work(AbortSignal.any([signal, late]));
  } catch (thrown) {
    if (!late.aborted || signal.aborted) throw thrown;
    throw storeError('busy', `no answer within ${timeoutMs / 1000} s`);
  }
}
