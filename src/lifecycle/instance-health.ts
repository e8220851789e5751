// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Engine } from '../addon/types.ts';

/** A build some of whose instances, or of the models it needs, do not serve. */
export interface Impairment {
  /** it serves all the same */
  readonly canServe: boolean;
  /** none will serve until it is loaded again */
  readonly isLost: boolean;
  readonly reason: string;
}

const MEMBER_CANNOT_SERVE = 'a model of its steps has no instance that serves';

/** Builds by handle that have an instance which does not serve, or a model of their steps that has none. */
export function impairments(engine: Pick<Engine, 'snapshot'>): Map<number, Impairment> {
  const found = new Map<number, Impairment>();
  for (const { handle, instances, canServe } of engine.snapshot().models) {
    const broken = instances.flatMap(({ state, reason }, index) =>
      state === 'serving' ? [] : [`instance ${index} is ${state}: ${reason}`],
    );
    if (broken.length === 0 && canServe) continue;
    found.set(handle, {
      canServe,
      isLost: instances.length > 0 && instances.every(({ state }) => state === 'lost'),
      reason: broken.length > 0 ? broken.join('; ') : MEMBER_CANNOT_SERVE,
    });
  }
  return found;
}
