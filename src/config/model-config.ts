// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The model configuration as TypeScript sees it: protos/model_config.proto with the names of the text format,
 * 64-bit fields as `bigint`, enum values by name, maps as `Map` in written order.
 *
 * Presence: message fields and members of a oneof are absent when not given; scalars have their proto3 default,
 * lists and maps are empty. A configuration is never changed in place.
 */

/** Element type of a tensor; `TYPE_STRING` is `BYTES` on the wire. */
export type ConfigDataType =
  | 'TYPE_INVALID'
  | 'TYPE_BOOL'
  | 'TYPE_UINT8'
  | 'TYPE_UINT16'
  | 'TYPE_UINT32'
  | 'TYPE_UINT64'
  | 'TYPE_INT8'
  | 'TYPE_INT16'
  | 'TYPE_INT32'
  | 'TYPE_INT64'
  | 'TYPE_FP16'
  | 'TYPE_FP32'
  | 'TYPE_FP64'
  | 'TYPE_STRING'
  | 'TYPE_BF16';

/** Shape the model itself wants, where it differs from the shape clients send. */
export interface TensorReshape {
  readonly shape: readonly bigint[];
}

/** One input. `dims` excludes the batch dimension when `max_batch_size` > 0; -1 is a variable dimension. */
export interface ModelInput {
  readonly name: string;
  readonly data_type: ConfigDataType;
  readonly format: 'FORMAT_NONE' | 'FORMAT_NHWC' | 'FORMAT_NCHW';
  readonly dims: readonly bigint[];
  readonly reshape?: TensorReshape;
  readonly is_shape_tensor: boolean;
  readonly allow_ragged_batch: boolean;
  readonly optional: boolean;
  readonly is_non_linear_format_io: boolean;
}

/** One output; `dims` as in {@link ModelInput}, `label_filename` relative to the model's directory. */
export interface ModelOutput {
  readonly name: string;
  readonly data_type: ConfigDataType;
  readonly dims: readonly bigint[];
  readonly reshape?: TensorReshape;
  readonly label_filename: string;
  readonly is_shape_tensor: boolean;
  readonly is_non_linear_format_io: boolean;
}

/** A tensor that the server makes from the batch. */
export interface BatchInput {
  readonly kind:
    | 'BATCH_ELEMENT_COUNT'
    | 'BATCH_ACCUMULATED_ELEMENT_COUNT'
    | 'BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO'
    | 'BATCH_MAX_ELEMENT_COUNT_AS_SHAPE'
    | 'BATCH_ITEM_SHAPE'
    | 'BATCH_ITEM_SHAPE_FLATTEN';
  readonly target_name: readonly string[];
  readonly data_type: ConfigDataType;
  readonly source_input: readonly string[];
}

/** An output that the server splits over the requests of the batch. */
export interface BatchOutput {
  readonly target_name: readonly string[];
  readonly kind: 'BATCH_SCATTER_WITH_INPUT_SHAPE';
  readonly source_input: readonly string[];
}

/** Which versions of a model are served; exactly one member. */
export interface VersionPolicy {
  readonly latest?: { readonly num_versions: number };
  readonly all?: Readonly<Record<string, never>>;
  readonly specific?: { readonly versions: readonly bigint[] };
}

export interface CudaGraphShape {
  readonly dim: readonly bigint[];
}

export interface CudaGraphSpec {
  readonly batch_size: number;
  readonly input: ReadonlyMap<string, CudaGraphShape>;
  readonly graph_lower_bound?: {
    readonly batch_size: number;
    readonly input: ReadonlyMap<string, CudaGraphShape>;
  };
}

export interface Accelerator {
  readonly name: string;
  readonly parameters: ReadonlyMap<string, string>;
}

export interface OptimizationPolicy {
  readonly graph?: { readonly level: number };
  readonly priority: 'PRIORITY_DEFAULT' | 'PRIORITY_MAX' | 'PRIORITY_MIN';
  readonly cuda?: {
    readonly graphs: boolean;
    readonly busy_wait_events: boolean;
    readonly graph_spec: readonly CudaGraphSpec[];
    readonly output_copy_stream: boolean;
  };
  readonly execution_accelerators?: {
    readonly gpu_execution_accelerator: readonly Accelerator[];
    readonly cpu_execution_accelerator: readonly Accelerator[];
  };
  readonly input_pinned_memory?: { readonly enable: boolean };
  readonly output_pinned_memory?: { readonly enable: boolean };
  readonly gather_kernel_buffer_threshold: number;
  readonly eager_batching: boolean;
}

/** Rules of one queue. 0 means: no timeout, no limit. */
export interface QueuePolicy {
  readonly timeout_action: 'REJECT' | 'DELAY';
  readonly default_timeout_microseconds: bigint;
  readonly allow_timeout_override: boolean;
  readonly max_queue_size: number;
}

export interface DynamicBatching {
  readonly preferred_batch_size: readonly number[];
  readonly max_queue_delay_microseconds: bigint;
  readonly preserve_ordering: boolean;
  readonly priority_levels: bigint;
  readonly default_priority_level: bigint;
  readonly default_queue_policy?: QueuePolicy;
  readonly priority_queue_policy: ReadonlyMap<bigint, QueuePolicy>;
}

export type SequenceControlKind =
  | 'CONTROL_SEQUENCE_START'
  | 'CONTROL_SEQUENCE_READY'
  | 'CONTROL_SEQUENCE_END'
  | 'CONTROL_SEQUENCE_CORRID';

export interface SequenceControl {
  readonly kind: SequenceControlKind;
  readonly int32_false_true: readonly number[];
  readonly fp32_false_true: readonly number[];
  readonly bool_false_true: readonly boolean[];
  readonly data_type: ConfigDataType;
}

export interface SequenceControlInput {
  readonly name: string;
  readonly control: readonly SequenceControl[];
}

export interface SequenceInitialState {
  readonly data_type: ConfigDataType;
  readonly dims: readonly bigint[];
  readonly zero_data?: boolean;
  readonly data_file?: string;
  readonly name: string;
}

export interface SequenceState {
  readonly input_name: string;
  readonly output_name: string;
  readonly data_type: ConfigDataType;
  readonly dims: readonly bigint[];
  readonly initial_state: readonly SequenceInitialState[];
  readonly use_same_buffer_for_input_output: boolean;
  readonly use_growable_memory: boolean;
}

export interface SequenceBatching {
  readonly direct?: {
    readonly max_queue_delay_microseconds: bigint;
    readonly minimum_slot_utilization: number;
  };
  readonly oldest?: {
    readonly max_candidate_sequences: number;
    readonly preferred_batch_size: readonly number[];
    readonly max_queue_delay_microseconds: bigint;
    readonly preserve_ordering: boolean;
  };
  readonly max_sequence_idle_microseconds: bigint;
  readonly control_input: readonly SequenceControlInput[];
  readonly state: readonly SequenceState[];
  readonly iterative_sequence: boolean;
}

export interface EnsembleStep {
  readonly model_name: string;
  /** -1 = the latest version */
  readonly model_version: bigint;
  readonly input_map: ReadonlyMap<string, string>;
  readonly output_map: ReadonlyMap<string, string>;
  readonly model_namespace: string;
}

export interface EnsembleScheduling {
  readonly step: readonly EnsembleStep[];
  readonly max_inflight_requests: number;
}

export interface RateLimiterResource {
  readonly name: string;
  readonly global: boolean;
  readonly count: number;
}

export type InstanceKind = 'KIND_AUTO' | 'KIND_GPU' | 'KIND_CPU' | 'KIND_MODEL';

/** How many instances, where. */
export interface InstanceGroup {
  readonly name: string;
  readonly kind: InstanceKind;
  readonly count: number;
  readonly rate_limiter?: {
    readonly resources: readonly RateLimiterResource[];
    readonly priority: number;
  };
  readonly gpus: readonly number[];
  readonly secondary_devices: readonly {
    readonly kind: 'KIND_NVDLA';
    readonly device_id: bigint;
  }[];
  readonly profile: readonly string[];
  readonly passive: boolean;
  readonly host_policy: string;
}

export interface WarmupInput {
  readonly data_type: ConfigDataType;
  readonly dims: readonly bigint[];
  readonly zero_data?: boolean;
  readonly random_data?: boolean;
  readonly input_data_file?: string;
}

export interface ModelWarmup {
  readonly name: string;
  readonly batch_size: number;
  readonly inputs: ReadonlyMap<string, WarmupInput>;
  readonly count: number;
}

export interface MetricControl {
  readonly metric_identifier?: { readonly family: string };
  readonly histogram_options?: { readonly buckets: readonly number[] };
}

/** Everything `config.pbtxt` can say. */
export interface ModelConfig {
  readonly name: string;
  readonly platform: string;
  readonly backend: string;
  readonly runtime: string;
  readonly version_policy?: VersionPolicy;
  /** 0 = the model has no batch dimension */
  readonly max_batch_size: number;
  readonly input: readonly ModelInput[];
  readonly output: readonly ModelOutput[];
  readonly batch_input: readonly BatchInput[];
  readonly batch_output: readonly BatchOutput[];
  readonly optimization?: OptimizationPolicy;
  /** at most one of `dynamic_batching`, `sequence_batching` and `ensemble_scheduling` is present */
  readonly dynamic_batching?: DynamicBatching;
  readonly sequence_batching?: SequenceBatching;
  readonly ensemble_scheduling?: EnsembleScheduling;
  readonly instance_group: readonly InstanceGroup[];
  readonly default_model_filename: string;
  readonly cc_model_filenames: ReadonlyMap<string, string>;
  readonly metric_tags: ReadonlyMap<string, string>;
  readonly parameters: ReadonlyMap<string, { readonly string_value: string }>;
  readonly model_warmup: readonly ModelWarmup[];
  readonly model_operations?: { readonly op_library_filename: readonly string[] };
  readonly model_transaction_policy?: { readonly decoupled: boolean };
  readonly model_repository_agents?: {
    readonly agents: readonly {
      readonly name: string;
      readonly parameters: ReadonlyMap<string, string>;
    }[];
  };
  readonly response_cache?: { readonly enable: boolean };
  readonly model_metrics?: { readonly metric_control: readonly MetricControl[] };
}

/** The text a configuration was read from; lets later checks name the line and column of a field. */
export interface ConfigSource {
  readonly text: string;
  /** how errors name the file, e.g. `digits/config.pbtxt`; it reaches clients, so give no absolute path */
  readonly file: string;
  readonly format: 'pbtxt' | 'json';
}
