// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { makeLifecycle } from '../../test/support/make-lifecycle.ts';
import { TempRepository } from '../../test/support/temp-repository.ts';
import type { ModelStatistics } from '../addon/snapshot.ts';
import { StatisticsQueries } from './statistics.ts';

it('tells each build once when two repositories serve one name and version', async () => {
  using one = new TempRepository();
  using two = new TempRepository();
  for (const repository of [one, two]) await repository.addIdentity('both');
  const { engine, lifecycle } = makeLifecycle([one.path, two.path], { namespacing: true });
  await lifecycle.start('*');
  engine.statistics = [statistics(1n), statistics(2n)];
  const rows = new StatisticsQueries(engine, lifecycle).read('', '');
  assert.deepEqual(
    rows.map((row) => row.inference_count),
    [1n, 2n],
  );
});

function statistics(inferenceCount: bigint): ModelStatistics {
  const none = { count: 0n, ns: 0n };
  return {
    handle: 1,
    name: 'both',
    version: 1,
    received: inferenceCount,
    pending: 0n,
    inferenceCount,
    executionCount: inferenceCount,
    lastInferenceMs: 0n,
    success: none,
    fail: none,
    queue: none,
    computeInput: none,
    computeInfer: none,
    computeOutput: none,
    cacheHit: none,
    cacheMiss: none,
    failures: { rejected: 0n, canceled: 0n, backend: 0n, other: 0n },
    batches: [],
    responses: [],
    instances: [],
    canServe: true,
  };
}
