// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { platformFitsBackend } from './backend-name.ts';
import type { ConfigPhase, ConfigProblem } from './config-error.ts';
import { isEnsemble } from './defaults.ts';
import type { DynamicBatching, InstanceGroup, ModelConfig } from './model-config.ts';
import { ensembleProblems } from './validate-ensemble.ts';
import { ioProblems, staysInside } from './validate-io.ts';
import { metricsProblems } from './validate-metrics.ts';
import { sequenceProblems } from './validate-sequence.ts';
import { warmupProblems } from './validate-warmup.ts';

/** What a configuration is checked against besides itself. */
export interface ValidationContext {
  /** name of the model's directory */
  readonly modelName: string;
  /** devices a KIND_GPU group may name */
  readonly gpus: readonly number[];
  /** phase in which Triton checks inputs and outputs: `load`, or `read` when auto-completion is off */
  readonly ioPhase: ConfigPhase;
}

/** Instances of one model; beyond it the number is a slip of the finger. */
const MAX_INSTANCES = 1024;

/** Everything wrong with a normalised configuration, in the order Triton would notice it. */
export function* configProblems(
  config: ModelConfig,
  context: ValidationContext,
): Generator<ConfigProblem> {
  yield* identityProblems(config, context.modelName);
  if (config.max_batch_size < 0)
    yield read('max_batch_size', `'max_batch_size' must be non-negative value for ${config.name}`);
  if (config.dynamic_batching) yield* batchingProblems(config, config.dynamic_batching);
  yield* sequenceProblems(config);
  yield* ensembleProblems(config);
  yield* featureProblems(config);
  yield* metricsProblems(config);
  yield* ioProblems(config, context.ioPhase);
  if (!isEnsemble(config)) yield* instanceProblems(config, context.gpus);
  yield* warmupProblems(config);
  yield* pathProblems(config);
}

function* identityProblems(config: ModelConfig, modelName: string): Generator<ConfigProblem> {
  const { name, platform, backend } = config;
  if (!name) yield read('name', "model configuration must specify 'name'");
  if (name !== modelName)
    yield read(
      'name',
      `unexpected directory name '${modelName}' for model '${name}', directory name must equal model name`,
    );
  if (!backend && platform !== 'ensemble')
    yield platform
      ? read('platform', `unexpected platform type '${platform}' for ${name}`)
      : read('backend', `must specify 'platform' or 'backend' for '${name}'`);
  if (!platformFitsBackend(platform, backend))
    yield read('platform', `unexpected 'platform' and 'backend' pair, got:${platform}, ${backend}`);
}

function* batchingProblems(
  { name, max_batch_size }: ModelConfig,
  batching: DynamicBatching,
): Generator<ConfigProblem> {
  const at = (field: string): string => `dynamic_batching.${field}`;
  for (const [index, size] of batching.preferred_batch_size.entries()) {
    const path = at(`preferred_batch_size[${index}]`);
    if (size <= 0) yield read(path, `dynamic batching preferred size must be positive for ${name}`);
    if (size > max_batch_size)
      yield read(path, `dynamic batching preferred size must be <= max batch size for ${name}`);
  }
  const levels = batching.priority_levels;
  const inRange = (level: bigint): boolean => level >= 1n && level <= levels;
  if (levels > 0n && !inRange(batching.default_priority_level))
    yield read(
      at(batching.default_priority_level === 0n ? 'priority_levels' : 'default_priority_level'),
      `default priority level must be in range [1, ${levels}] for ${name}`,
    );
  for (const level of batching.priority_queue_policy.keys())
    if (levels > 0n && !inRange(level))
      yield read(
        at(`priority_queue_policy["${level}"]`),
        `priority queue policy must have priority level in range [1, ${levels}] for ${name}`,
      );
  if (!batching.preserve_ordering) return;
  if (levels > 1n)
    yield read(
      at('preserve_ordering'),
      `Only one priority level is allowed when 'preserve_ordering' is true for ${name}`,
    );
  const policy = batching.default_queue_policy;
  if (policy?.timeout_action === 'DELAY' && policy.default_timeout_microseconds !== 0n)
    yield read(
      at('default_queue_policy.timeout_action'),
      `Queue policy can not have DELAY as timeout action when 'preserve_ordering' is true for ${name}`,
    );
}

function* featureProblems(config: ModelConfig): Generator<ConfigProblem> {
  if (config.model_transaction_policy?.decoupled && config.response_cache?.enable)
    yield read(
      'response_cache.enable',
      `Response Cache does not currently support model ${config.name} with 'decoupled' transaction policy. ` +
        'Please disable the response cache.',
    );
}

function* instanceProblems(config: ModelConfig, gpus: readonly number[]): Generator<ConfigProblem> {
  let total = 0;
  for (const [index, group] of config.instance_group.entries()) {
    const path = `instance_group[${index}]`;
    const who = `instance group ${group.name} of model ${config.name}`;
    if (group.count < 1)
      yield load(`${path}.count`, `${who} has count ${group.count}, expected 1 or more`);
    yield* deviceProblems(group, who, path, gpus);
    if (group.profile.length > 0 && config.platform !== 'tensorrt_plan')
      yield load(
        `${path}.profile`,
        `${[who, 'and platform', config.platform].filter(Boolean).join(' ')} specifies profile field which is only ` +
          'supported for TensorRT models',
      );
    yield* resourceProblems(group, `${path}.rate_limiter`);
    total += group.count;
  }
  if (total > MAX_INSTANCES)
    yield load(
      'instance_group',
      `model ${config.name} asks for ${total} instances, at most ${MAX_INSTANCES} are started`,
    );
}

function* deviceProblems(
  group: InstanceGroup,
  who: string,
  path: string,
  gpus: readonly number[],
): Generator<ConfigProblem> {
  if (group.kind !== 'KIND_GPU') {
    if (group.gpus.length > 0)
      yield load(`${path}.gpus`, `${who} has kind ${group.kind} but specifies one or more GPUs`);
    return;
  }
  if (group.gpus.length === 0)
    yield load(`${path}.kind`, `${who} has kind KIND_GPU but no GPUs are available`);
  for (const gpu of group.gpus)
    if (!gpus.includes(gpu))
      yield load(
        `${path}.gpus`,
        `${who} specifies invalid or unsupported gpu id ${gpu}. GPUs with at least the minimum required CUDA ` +
          `compute compatibility of 6.000000 are: ${gpus.join(' ')}`,
      );
}

function* resourceProblems(group: InstanceGroup, path: string): Generator<ConfigProblem> {
  const scopes = new Map<string, boolean>();
  for (const { name, global } of group.rate_limiter?.resources ?? []) {
    if (scopes.has(name) && scopes.get(name) !== global)
      yield load(
        path,
        `Resource "${name}" is present as both global and device-specific resource in the model configuration.`,
      );
    scopes.set(name, global);
  }
}

function* pathProblems(config: ModelConfig): Generator<ConfigProblem> {
  const files = [
    ['default_model_filename', config.default_model_filename],
    ...[...config.cc_model_filenames].map(([key, file]) => [`cc_model_filenames["${key}"]`, file]),
  ] as const;
  for (const [path = '', file = ''] of files)
    if (!staysInside(file))
      yield load(
        path,
        `model file name '${file}' of model ${config.name} is outside the version directory`,
      );
}

function read(path: string, text: string): ConfigProblem {
  return { path, text, phase: 'read' };
}

function load(path: string, text: string): ConfigProblem {
  return { path, text, phase: 'load' };
}
