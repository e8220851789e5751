// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type {
  BatchingPlan,
  InstanceLimitPlan,
  LatencyTargetPlan,
  ModelPlan,
  PriorityPlan,
  QueuePlan,
  QueuePolicyPlan,
  TensorPlan,
} from '../addon/model-plan.ts';
import { unimplemented } from '../base/status.ts';
import type {
  InstanceGroup,
  ModelConfig,
  ModelInput,
  ModelOutput,
  QueuePolicy,
} from '../config/model-config.ts';
import type { BackendSetting } from '../config/options.ts';
import { makeEnsemblePlan } from './ensemble-plan.ts';
import { type Admission, loadParameters } from './load-parameters.ts';
import { paddedInputs, unpaddedOutputs } from './padding-plan.ts';
import { dataTypeOf, toDim, toInteger } from './plan-values.ts';
import { batchInputs, scatteredBy } from './ragged-plan.ts';
import { makeSequencePlan } from './sequence-plan.ts';
import { maxRequestRows } from './split-plan.ts';

/** What a plan takes from the server rather than from the model. */
export interface PlanDefaults {
  /** requests that may wait in a queue whose configuration sets no limit; 0 = no limit */
  readonly maxQueueSize: number;
  readonly queueFullStatus: QueuePlan['fullStatus'];
  /** bytes of inputs that may wait for a model that sets no limit; absent or 0 = no limit */
  readonly maxQueueBytes?: number;
  /** of models that do not say; absent = off */
  readonly admission?: Admission;
  /** instances hold their resources while they run; absent = they hold none */
  readonly rateLimited?: boolean;
  readonly backendConfig: readonly BackendSetting[];
  /** bytes between the steps of an ensemble where its configuration sets no limit; absent = no limit */
  readonly ensembleBytes?: number | undefined;
}

/** What a plan takes from the model's folder. */
export interface PlanFiles {
  readonly version: number;
  /** absolute path of the model file; empty for backends without one */
  readonly modelFile: string;
  /** becomes a label of its metrics; absent = none */
  readonly namespace?: string | undefined;
  /** labels by output name; an output without a label file is absent */
  readonly labels: ReadonlyMap<string, readonly string[]>;
  /** files of `initial_state`, by input name of the state; absent = none */
  readonly initialStates?: ReadonlyMap<string, Uint8Array>;
}

const FIRST_RESPONSE_FAMILY = 'nv_inference_first_response_histogram_ms';

/** Settings of `--backend-config` that are the server's own and reach no backend. */
const SERVER_SETTINGS = new Set(['default-max-batch-size', 'cmdline']);

/**
 * Compiles a complete, validated configuration to the plan that native executes. Pure.
 * @throws ServeError InvalidArgument for a dimension that no tensor can have
 */
export function makePlan(config: ModelConfig, files: PlanFiles, defaults: PlanDefaults): ModelPlan {
  const ensemble = makeEnsemblePlan(config, defaults.ensembleBytes ?? 0);
  const sequence = makeSequencePlan(config, files.initialStates ?? new Map());
  const padded = paddedInputs(config);
  const unpadded = unpaddedOutputs(config, padded);
  const rows = maxRequestRows(config);
  return {
    name: config.name,
    version: files.version,
    backend: config.backend,
    modelFile: files.modelFile,
    maxBatchSize: config.max_batch_size,
    ...(rows === undefined ? {} : { maxRequestRows: rows }),
    inputs: config.input.map((input) => ({
      ...tensorPlan(input, input.optional, []),
      ...(input.allow_ragged_batch ? { ragged: true } : {}),
      ...padded.get(input.name),
    })),
    outputs: config.output.map((output) => {
      const source = scatteredBy(config, output);
      return {
        ...tensorPlan(output, false, files.labels.get(output.name) ?? []),
        ...(source === undefined ? {} : { scatteredBy: source }),
        ...unpadded.get(output.name),
      };
    }),
    ...(config.batch_input.length === 0 ? {} : { batchInputs: batchInputs(config) }),
    ...batching(config),
    ...latencyTarget(config),
    queue: queuePlan(config, defaults),
    ...(sequence === undefined ? {} : { sequence }),
    ...(ensemble === undefined ? {} : { ensemble }),
    instanceCount: countInstances(config),
    ...(defaults.rateLimited === true ? instanceLimits(config) : {}),
    decoupled: config.model_transaction_policy?.decoupled === true,
    ...(config.response_cache?.enable === true ? { responseCache: true } : {}),
    parameters: parametersOf(config, defaults.backendConfig),
    metricTags: {
      ...(files.namespace === undefined ? {} : { namespace: files.namespace }),
      ...Object.fromEntries([...config.metric_tags].map(([key, tag]) => [`_${key}`, tag])),
    },
    firstResponseBoundsMs: firstResponseBounds(config),
  };
}

function tensorPlan(
  tensor: ModelInput | ModelOutput,
  optional: boolean,
  labels: readonly string[],
): TensorPlan {
  return {
    name: tensor.name,
    datatype: dataTypeOf(tensor.data_type),
    dims: tensor.dims.map(toDim),
    optional,
    labels,
    ...(tensor.reshape === undefined ? {} : { reshape: tensor.reshape.shape.map(toDim) }),
  };
}

function batching(config: ModelConfig): { batching?: BatchingPlan } {
  // Requests of different sequences are batched as others are.
  const given = config.dynamic_batching ?? config.sequence_batching?.oldest;
  if (given === undefined) return {};
  return {
    batching: {
      preferredBatchSizes: given.preferred_batch_size,
      maxQueueDelayUs: toInteger(given.max_queue_delay_microseconds),
      preserveOrdering: given.preserve_ordering,
    },
  };
}

/** That a configuration prefers the largest batch is what it says where it says nothing. */
function latencyTarget(config: ModelConfig): { latencyTarget?: LatencyTargetPlan } {
  const { latencyTargetUs: us } = loadParameters(config);
  if (us === undefined) return {};
  const preferred = config.dynamic_batching?.preferred_batch_size ?? [];
  const hasPreferredSizes = preferred.some((size) => size !== config.max_batch_size);
  return { latencyTarget: { us, hasPreferredSizes } };
}

function queuePlan(config: ModelConfig, defaults: PlanDefaults): QueuePlan {
  const policy = policyPlan(config.dynamic_batching?.default_queue_policy, defaults);
  return {
    ...policy,
    ...priorities(config, defaults),
    ...classes(config, policy),
    fullStatus: defaults.queueFullStatus,
    ...admissionPlan(config, defaults),
  };
}

/** The limit of the queue stands for all classes: they leave room to each other. */
function classes(config: ModelConfig, policy: QueuePolicyPlan): Partial<QueuePlan> {
  const { classAgeingUs } = loadParameters(config);
  if (classAgeingUs === undefined) return {};
  return {
    maxQueueSize: 0,
    priorities: { levels: 3, defaultLevel: 2, policies: [] },
    classes: { ageingUs: classAgeingUs, maxQueueSize: policy.maxQueueSize },
  };
}

function admissionPlan(
  config: ModelConfig,
  defaults: PlanDefaults,
): Pick<QueuePlan, 'maxQueueBytes' | 'predictsWait'> {
  const given = loadParameters(config);
  const maxQueueBytes = given.maxQueueBytes ?? defaults.maxQueueBytes ?? 0;
  const admission = config.sequence_batching
    ? 'off'
    : (given.admission ?? defaults.admission ?? 'off');
  return {
    ...(maxQueueBytes > 0 ? { maxQueueBytes } : {}),
    ...(admission === 'predicted_wait' ? { predictsWait: true } : {}),
  };
}

function policyPlan(policy: QueuePolicy | undefined, defaults: PlanDefaults): QueuePolicyPlan {
  const limit = policy?.max_queue_size ?? 0;
  return {
    maxQueueSize: limit > 0 ? limit : defaults.maxQueueSize,
    defaultTimeoutUs: toInteger(policy?.default_timeout_microseconds ?? 0n),
    allowTimeoutOverride: policy?.allow_timeout_override ?? false,
    ...(policy?.timeout_action === 'DELAY' ? { delaysExpired: true } : {}),
  };
}

function priorities(config: ModelConfig, defaults: PlanDefaults): { priorities?: PriorityPlan } {
  const given = config.dynamic_batching;
  // Without levels Triton has no use for their policies either.
  if (given === undefined || given.priority_levels === 0n) return {};
  return {
    priorities: {
      levels: toInteger(given.priority_levels),
      defaultLevel: toInteger(given.default_priority_level),
      policies: [...given.priority_queue_policy].map(([level, policy]) => ({
        level: toInteger(level),
        ...policyPlan(policy, defaults),
      })),
    },
  };
}

/** In the order of the groups. Resources are compared without regard to case, as Triton does. */
function instanceLimits(config: ModelConfig): { instanceLimits?: readonly InstanceLimitPlan[] } {
  const limits = config.instance_group.flatMap((group) => {
    const { priority = 1, resources = [] } = group.rate_limiter ?? {};
    const limit: InstanceLimitPlan = {
      priority: Math.max(1, priority),
      resources: resources.map(({ name, global, count }) => ({
        name: name.toLowerCase(),
        global,
        count,
      })),
    };
    return Array.from({ length: instancesOf(group) }, () => limit);
  });
  const isUsed = limits.some(({ resources }) => resources.length > 0);
  if (isUsed && config.sequence_batching !== undefined) {
    throw unimplemented(
      `model '${config.name}' asks for sequence batching under the rate limiter (instance_group.rate_limiter), which this server does not support yet`,
    );
  }
  return isUsed ? { instanceLimits: limits } : {};
}

function instancesOf({ passive, count, gpus }: InstanceGroup): number {
  return passive ? 0 : count * Math.max(1, gpus.length);
}

function countInstances(config: ModelConfig): number {
  let count = 0;
  for (const group of config.instance_group) {
    count += instancesOf(group);
  }
  return Math.max(1, count);
}

/** The last one counts. */
function firstResponseBounds(config: ModelConfig): readonly number[] {
  const control = config.model_metrics?.metric_control.findLast(
    ({ metric_identifier }) => metric_identifier?.family === FIRST_RESPONSE_FAMILY,
  );
  return control?.histogram_options?.buckets ?? [];
}

function parametersOf(
  config: ModelConfig,
  settings: readonly BackendSetting[],
): Record<string, string> {
  const result: Record<string, string> = {};
  for (const { backend, key, value } of settings) {
    if (backend === config.backend && !SERVER_SETTINGS.has(key)) result[key] = value;
  }
  for (const [key, { string_value }] of config.parameters) result[key] = string_value;
  const level = config.optimization?.graph?.level;
  if (level !== undefined) result['optimization.graph.level'] = String(level);
  return result;
}
