// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Engine } from '../addon/types.ts';

/** A build some of whose instances do not serve. */
export interface Impairment {
  /** another instance serves */
  readonly canServe: boolean;
  /** none will serve until it is loaded again */
  readonly isLost: boolean;
  readonly reason: string;
}

/** Builds by handle that have an instance which does not serve. */
export function impairments(engine: Pick<Engine, 'snapshot'>): Map<number, Impairment> {
  const found = new Map<number, Impairment>();
  for (const { handle, instances } of engine.snapshot().models) {
    const broken = instances.flatMap(({ state, reason }, index) =>
      state === 'serving' ? [] : [`instance ${index} is ${state}: ${reason}`],
    );
    if (broken.length === 0) continue;
    found.set(handle, {
      canServe: broken.length < instances.length,
      isLost: instances.every(({ state }) => state === 'lost'),
      reason: broken.join('; '),
    });
  }
  return found;
}
