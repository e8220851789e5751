// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ReadinessPolicy } from '../config/flags/repository.ts';
import type { ModelState } from './model-state.ts';

export interface Readiness {
  readonly isReady: boolean;
  /** models that it waits for, by name */
  readonly waitsFor: readonly string[];
  /** of each list one build must have an instance that works, too: by handle */
  readonly needs: readonly (readonly number[])[];
}

/**
 * Whether the server is ready:
 * - all: every model that was asked for serves.
 * - known: the same, but a model that nothing could be read of is passed over (Triton's meaning).
 * - any: one of them serves, if any was asked for.
 * - listed: these models serve, whatever becomes of the others.
 * @param models those that were asked for at some time
 */
export function judgeReadiness(
  policy: ReadinessPolicy,
  models: readonly Pick<ModelState, 'name' | 'isWanted' | 'isPassedOver' | 'served'>[],
): Readiness {
  const handles = (state: (typeof models)[number]): number[] =>
    state.served().map(({ handle }) => handle);
  if (policy.kind === 'any') {
    const wanted = models.filter(({ isWanted }) => isWanted);
    const serving = wanted.flatMap(handles);
    const isReady = wanted.length === 0 || serving.length > 0;
    return {
      isReady,
      waitsFor: isReady ? [] : namesOf(wanted),
      needs: serving.length > 0 ? [serving] : [],
    };
  }
  const asked =
    policy.kind === 'listed'
      ? models.filter(({ name }) => policy.names.includes(name))
      : models.filter(
          ({ isWanted, isPassedOver }) => isWanted && !(policy.kind === 'known' && isPassedOver),
        );
  const missing =
    policy.kind === 'listed'
      ? policy.names.filter((name) => !asked.some((state) => state.name === name))
      : [];
  const waitsFor = [...missing, ...namesOf(asked.filter((state) => handles(state).length === 0))];
  return {
    isReady: waitsFor.length === 0,
    waitsFor: waitsFor.sort(),
    needs: asked.flatMap((state) => handles(state).map((handle) => [handle])),
  };
}

const namesOf = (models: readonly { readonly name: string }[]): string[] =>
  models.map(({ name }) => name);
