// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { isDeepStrictEqual } from 'node:util';
import type { DynamicBatching, ModelConfig } from '../config/model-config.ts';
import type { PlannedVersion } from './loader.ts';

/** Settings under `parameters` that are limits of ours and that no backend reads. */
const LIVE_PARAMETERS = new Set([
  'max_queue_bytes',
  'admission',
  'latency_target_ms',
  'priority_class_ageing_ms',
]);

/**
 * Whether a build that serves can become another one without being built anew: they differ in nothing but counts of
 * instance groups, delays and preferred sizes of batches, policies of queues and our own limits. Pure.
 *
 * Models with sequences keep theirs in their instances, and ensembles have neither: both are built anew.
 */
export function isLiveChange(from: PlannedVersion, to: PlannedVersion): boolean {
  return (
    hasLiveParts(from) &&
    hasLiveParts(to) &&
    isDeepStrictEqual(fixedPart(from.config), fixedPart(to.config)) &&
    keepsInstances(from, to)
  );
}

const hasLiveParts = ({ plan }: PlannedVersion): boolean =>
  plan.sequence === undefined && plan.ensemble === undefined;

/** Instances are added and removed at the end, so those that stay must need the same resources in the same place. */
function keepsInstances(from: PlannedVersion, to: PlannedVersion): boolean {
  const kept = Math.min(from.plan.instanceCount, to.plan.instanceCount);
  return isDeepStrictEqual(
    from.plan.instanceLimits?.slice(0, kept),
    to.plan.instanceLimits?.slice(0, kept),
  );
}

/** The configuration without what may change. */
function fixedPart(config: ModelConfig): object {
  const { dynamic_batching: batching } = config;
  return {
    ...config,
    instance_group: config.instance_group.map((group) => ({ ...group, count: 0 })),
    parameters: new Map([...config.parameters].filter(([key]) => !LIVE_PARAMETERS.has(key))),
    dynamic_batching: batching === undefined ? undefined : fixedBatching(batching),
  };
}

const fixedBatching = ({ preserve_ordering, priority_levels }: DynamicBatching): object => ({
  preserve_ordering,
  priority_levels,
});
