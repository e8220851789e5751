// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { internal, type ServeError, unavailable } from '../../base/status.ts';
import type { StoreError, StoreProblem } from './object-store.ts';

const PROBLEMS: readonly string[] = ['busy', 'denied', 'missing', 'changed', 'failed'];

/** An error as packages throw it. */
export function storeError(problem: StoreProblem, message: string): StoreError {
  return Object.assign(new Error(message), { problem });
}

/** What a package said is wrong; `failed` when it said nothing. */
export function problemOf(thrown: unknown): StoreProblem {
  const problem: unknown =
    thrown instanceof Error && 'problem' in thrown ? thrown.problem : undefined;
  return typeof problem === 'string' && PROBLEMS.includes(problem)
    ? (problem as StoreProblem)
    : 'failed';
}

const MEANING: Readonly<Record<StoreProblem, string>> = {
  busy: 'the store cannot be reached or is overloaded',
  denied: 'access was denied, check the credentials',
  missing: 'there is no such bucket or object',
  changed: 'it was changed while it was read',
  failed: 'the store refused',
};

/**
 * @param what was to be done, such as `list 's3://b/models'`
 * @returns Unavailable where a later call may succeed, else Internal
 */
export function storeFailure(what: string, thrown: unknown): ServeError {
  const problem = problemOf(thrown);
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  const message = `cannot ${what}: ${MEANING[problem]} (${reason})`;
  return problem === 'busy' || problem === 'changed'
    ? unavailable(message)
    : internal(message, thrown);
}
