// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { isDeepStrictEqual } from 'node:util';
import type { Engine } from '../addon/types.ts';
import { ServeError } from '../base/status.ts';
import { isLiveChange } from './live-change.ts';
import {
  type DraftModel,
  type LoaderOptions,
  type PlannedVersion,
  replanVersion,
} from './loader.ts';
import type { ServedVersion } from './model-state.ts';

/** A build that serves, and what it is to be. */
interface Next {
  readonly now: ServedVersion;
  readonly planned: PlannedVersion;
}

/** Builds that can be brought to another configuration while they serve. */
export interface LiveChange {
  /**
   * @returns the builds with their new configuration
   * @throws ServeError when an instance cannot be added; nothing has changed then
   */
  apply(engine: Pick<Engine, 'adjust'>): Promise<ServedVersion[]>;
}

/**
 * Looks whether builds that serve can take over a configuration as they are. Their files must not have changed.
 * @returns undefined when they have to be built anew, and when the configuration is wrong: the build says why
 */
export function planLiveChange(
  draft: DraftModel,
  served: readonly ServedVersion[],
  options: LoaderOptions,
): LiveChange | undefined {
  if (served.length !== draft.versions.length) return undefined;
  const changes: Next[] = [];
  for (const version of draft.versions) {
    const now = served.find((one) => one.version === version.version);
    const planned = now && replan(() => replanVersion(draft, version, now, options));
    if (now === undefined || planned === undefined || !isLiveChange(now, planned)) return undefined;
    changes.push({ now, planned });
  }
  return { apply: (engine) => apply(changes, engine) };
}

function replan(work: () => PlannedVersion): PlannedVersion | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

async function apply(
  changes: readonly Next[],
  engine: Pick<Engine, 'adjust'>,
): Promise<ServedVersion[]> {
  const changed = changes.filter(({ now, planned }) => !isDeepStrictEqual(now.plan, planned.plan));
  const adjustments = changed.map(({ now, planned }) => ({
    handle: now.handle,
    plan: planned.plan,
  }));
  if (adjustments.length > 0) {
    await engine.adjust(adjustments).catch((error: unknown) => {
      throw ServeError.from(error);
    });
  }
  return changes.map(({ now, planned: { config, plan } }) => ({ ...now, config, plan }));
}
