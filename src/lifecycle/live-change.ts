// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { isDeepStrictEqual } from 'node:util';
import type { DynamicBatching, ModelConfig, SequenceBatching } from '../config/model-config.ts';
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
 * instance groups, delays and preferred sizes of batches, the idle time of sequences, policies of queues and our own
 * limits. Pure.
 *
 * Ensembles have none of these: they are built anew.
 */
export function isLiveChange(from: PlannedVersion, to: PlannedVersion): boolean {
  return (
    hasLiveParts(from) &&
    hasLiveParts(to) &&
    isDeepStrictEqual(fixedPart(from.config), fixedPart(to.config)) &&
    keepsInstances(from, to)
  );
}

const hasLiveParts = ({ plan }: PlannedVersion): boolean => plan.ensemble === undefined;

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
  const { dynamic_batching: batching, sequence_batching: sequences } = config;
  return {
    ...config,
    instance_group: config.instance_group.map((group) => ({ ...group, count: 0 })),
    parameters: new Map([...config.parameters].filter(([key]) => !LIVE_PARAMETERS.has(key))),
    dynamic_batching: batching === undefined ? undefined : fixedBatching(batching),
    sequence_batching: sequences === undefined ? undefined : fixedSequences(sequences),
  };
}

const fixedBatching = ({ preserve_ordering, priority_levels }: DynamicBatching): object => ({
  preserve_ordering,
  priority_levels,
});

/** How many sequences an instance serves at once stays: a slot is a row of its batches, or a place among its candidates. */
function fixedSequences({ direct, oldest, ...sequences }: SequenceBatching): object {
  return {
    ...sequences,
    max_sequence_idle_microseconds: 0n,
    direct: direct !== undefined,
    oldest: oldest && {
      max_candidate_sequences: oldest.max_candidate_sequences,
      preserve_ordering: oldest.preserve_ordering,
    },
  };
}
