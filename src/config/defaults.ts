// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { messageOf, type PlainMessage, withDefaults } from './message.ts';
import type {
  DynamicBatching,
  InstanceGroup,
  ModelConfig,
  OptimizationPolicy,
  SequenceBatching,
} from './model-config.ts';
import { modelConfigType } from './proto.ts';

/** Triton drops a sequence that is idle for one second. */
const DEFAULT_SEQUENCE_IDLE_US = 1_000_000n;

/**
 * Fills in what Triton fills in, so that `/config` prints the same: version policy, preferred batch sizes, pinned
 * memory, sequence idle time, instance groups. What is given stays, wrong or not: validation comes after.
 * @param gpus ordinals of the devices a KIND_GPU or KIND_AUTO group may use; none on a machine without
 */
export function normalizeConfig(config: ModelConfig, gpus: readonly number[]): ModelConfig {
  const common: ModelConfig = {
    ...config,
    version_policy: config.version_policy ?? { latest: { num_versions: 1 } },
    ...(config.dynamic_batching && {
      dynamic_batching: dynamicBatching(config.dynamic_batching, config.max_batch_size),
    }),
    ...(config.sequence_batching && {
      sequence_batching: sequenceBatching(config.sequence_batching, config.max_batch_size),
    }),
  };
  if (isEnsemble(config))
    return {
      ...common,
      model_transaction_policy: config.model_transaction_policy ?? { decoupled: false },
    };
  return {
    ...common,
    optimization: pinnedMemory(config.optimization),
    instance_group: instanceGroups(config, gpus),
  };
}

/** An ensemble executes nothing itself: it has no instances and no optimization. */
export function isEnsemble(config: ModelConfig): boolean {
  return config.ensemble_scheduling !== undefined;
}

/** An empty message at a field of ModelConfig, defaults filled in. */
export function defaultMessage<K extends 'optimization' | 'dynamic_batching'>(
  field: K,
): NonNullable<ModelConfig[K]> {
  return emptyAt(field) as NonNullable<ModelConfig[K]>;
}

function emptyAt(name: string): unknown {
  const field = modelConfigType().fields[name];
  const type = field && messageOf(field);
  return type ? withDefaults(type, {}) : ({} satisfies PlainMessage);
}

function dynamicBatching(given: DynamicBatching, maxBatchSize: number): DynamicBatching {
  return { ...given, preferred_batch_size: preferred(given.preferred_batch_size, maxBatchSize) };
}

function preferred(given: readonly number[], maxBatchSize: number): readonly number[] {
  return given.length === 0 && maxBatchSize > 0 ? [maxBatchSize] : given;
}

function sequenceBatching(given: SequenceBatching, maxBatchSize: number): SequenceBatching {
  return {
    ...given,
    ...(given.oldest && {
      oldest: {
        ...given.oldest,
        preferred_batch_size: preferred(given.oldest.preferred_batch_size, maxBatchSize),
      },
    }),
    max_sequence_idle_microseconds:
      given.max_sequence_idle_microseconds || DEFAULT_SEQUENCE_IDLE_US,
  };
}

function pinnedMemory(given: OptimizationPolicy | undefined): OptimizationPolicy {
  const policy = given ?? defaultMessage('optimization');
  return {
    ...policy,
    input_pinned_memory: policy.input_pinned_memory ?? { enable: true },
    output_pinned_memory: policy.output_pinned_memory ?? { enable: true },
  };
}

function instanceGroups(config: ModelConfig, gpus: readonly number[]): readonly InstanceGroup[] {
  const given = config.instance_group;
  if (given.length === 0)
    return [completeGroup({ ...newGroup(), name: config.name }, config, gpus)];
  return given.map((group, index) =>
    completeGroup({ ...group, name: group.name || `${config.name}_${index}` }, config, gpus),
  );
}

function newGroup(): InstanceGroup {
  return emptyAt('instance_group') as InstanceGroup;
}

function completeGroup(
  group: InstanceGroup,
  config: ModelConfig,
  gpus: readonly number[],
): InstanceGroup {
  const known = gpus.length > 0 && group.gpus.every((gpu) => gpus.includes(gpu));
  const kind = group.kind === 'KIND_AUTO' ? (known ? 'KIND_GPU' : 'KIND_CPU') : group.kind;
  return {
    ...group,
    kind,
    count: group.count === 0 ? defaultCount(kind, config.backend) : group.count,
    gpus: kind === 'KIND_GPU' && group.gpus.length === 0 ? gpus : group.gpus,
  };
}

// Triton runs two CPU instances of these backends so that one prepares while the other executes.
function defaultCount(kind: InstanceGroup['kind'], backend: string): number {
  return kind === 'KIND_CPU' && (backend === 'onnxruntime' || backend === 'tensorflow') ? 2 : 1;
}
