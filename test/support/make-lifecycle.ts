// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { type LifecycleOptions, ModelLifecycle } from '../../src/lifecycle/lifecycle.ts';
import { LocalSource } from '../../src/repository/local-source.ts';
import type { RepositorySource } from '../../src/repository/source.ts';
import { Staging } from '../../src/repository/staging.ts';
import { FakeEngine } from './fake-engine.ts';

/** A lifecycle over the fake engine. */
export interface LifecycleFixture {
  readonly engine: FakeEngine;
  readonly lifecycle: ModelLifecycle;
  readonly sources: RepositorySource[];
  /** what it wrote to the log; errors start with `E ` */
  readonly logged: string[];
}

/** @param paths folders of its repositories */
export function makeLifecycle(
  paths: readonly string[],
  options: Partial<LifecycleOptions> = {},
): LifecycleFixture {
  const engine = new FakeEngine();
  const logged: string[] = [];
  const sources = paths.map((path) => new LocalSource(path));
  const lifecycle = new ModelLifecycle({
    engine,
    sources,
    loadThreads: 4,
    loadRetries: 0,
    strictReadiness: true,
    namespacing: false,
    autoComplete: true,
    serverDefaults: { defaultMaxBatchSize: 4 },
    maxQueueSize: 0,
    queueFullStatus: 'Unavailable',
    backendConfig: [],
    ensureBackend: async () => undefined,
    staging: new Staging(),
    allowOverrideCode: false,
    log: { info: (text) => logged.push(text), error: (text) => logged.push(`E ${text}`) },
    ...options,
  });
  return { engine, lifecycle, sources, logged };
}

/** Lets everything run that waits for nothing from outside. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
