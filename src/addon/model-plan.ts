// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/** What a version is built from. Mirrors native/core/model_plan.h and warmup_plan.h. */

import type { DataType } from './data-type.ts';

/** One input or output of a plan. `dims` excludes the batch dimension; -1 is free. */
export interface TensorPlan {
  readonly name: string;
  readonly datatype: DataType;
  readonly dims: readonly number[];
  /** inputs only: a request may leave it out */
  readonly optional: boolean;
  /** outputs only: classification labels, element i names index i; empty without a label file */
  readonly labels: readonly string[];
  /** dims as the model itself wants them when `reshape` is configured, else undefined */
  readonly reshape?: readonly number[];
  /** inputs only: requests of any shapes share a batch, their elements in one dimension; absent = no */
  readonly ragged?: boolean;
  /** outputs only: index of the input whose shapes say which part is whose; absent = split by rows */
  readonly scatteredBy?: number;
  /** inputs only: one free dimension is filled up so that different sizes share a batch; absent = no */
  readonly padding?: PaddingPlan;
  /** outputs only: carries the padded dimension of an input, at which each request gets its own size; absent = no */
  readonly unpadding?: UnpaddingPlan;
}

/** How the sizes of one dimension of an input are made equal. */
export interface PaddingPlan {
  /** index into `dims` */
  readonly axis: number;
  /** sizes to fill up to, ascending; what is larger stays as it is */
  readonly buckets: readonly number[];
  /** of the added elements; added strings are empty */
  readonly value: number;
  /** added part of the whole, 1 … 99; what would be beyond it stays as it is */
  readonly maxWastePercent: number;
}

/** Where an output carries the padded dimension of an input. */
export interface UnpaddingPlan {
  /** index into `dims` of the output */
  readonly axis: number;
  /** index of an input with `padding` */
  readonly input: number;
}

/** A tensor that the server makes for the model from the batch; no request has it. */
export interface BatchInputPlan {
  readonly kind:
    | 'elementCount'
    | 'accumulatedElementCount'
    | 'accumulatedElementCountWithZero'
    | 'maxElementCountAsShape'
    | 'itemShape'
    | 'itemShapeFlatten';
  readonly name: string;
  readonly datatype: 'INT32' | 'FP32';
  /** index of the input it tells about */
  readonly source: number;
}

/** Dynamic batching as `config.pbtxt` says it, defaults filled in. */
export interface BatchingPlan {
  readonly preferredBatchSizes: readonly number[];
  readonly maxQueueDelayUs: number;
  readonly preserveOrdering: boolean;
}

/** Batches are chosen from what is measured; the fields of `BatchingPlan` are bounds. */
export interface LatencyTargetPlan {
  readonly us: number;
  /** the preferred sizes are the only ones to wait for */
  readonly hasPreferredSizes: boolean;
}

/** What one instance holds while it runs, under a rate limiter. */
export interface InstanceLimitPlan {
  /** n runs a n-th as often as 1 */
  readonly priority: number;
  /** none: it asks nobody */
  readonly resources: readonly {
    readonly name: string;
    /** else of its device */
    readonly global: boolean;
    readonly count: number;
  }[];
}

/** Rules of one queue. */
export interface QueuePolicyPlan {
  /** 0 = unlimited (Triton's default) */
  readonly maxQueueSize: number;
  /** 0 = none */
  readonly defaultTimeoutUs: number;
  readonly allowTimeoutOverride: boolean;
  /** what is out of time is served after the others of its level; absent = it is refused */
  readonly delaysExpired?: boolean;
}

/** Queues of one model by priority, 1 first. */
export interface PriorityPlan {
  readonly levels: number;
  /** of requests that name no level or none that exists; in 1 … levels */
  readonly defaultLevel: number;
  /** levels with rules of their own */
  readonly policies: readonly (QueuePolicyPlan & { readonly level: number })[];
}

/** The three levels of a queue as classes of load: interactive, standard, background. */
export interface ClassesPlan {
  /** who has waited for so long moves up by a class */
  readonly ageingUs: number;
  /** of all classes together; 0 = unlimited */
  readonly maxQueueSize: number;
}

/** Queue rules of one model, and of every level of it that has none of its own. */
export interface QueuePlan extends QueuePolicyPlan {
  /** absent = one queue */
  readonly priorities?: PriorityPlan;
  /** absent = levels are levels; with it `priorities` has three of them */
  readonly classes?: ClassesPlan;
  /** of the inputs of all that wait; absent or 0 = no limit */
  readonly maxQueueBytes?: number;
  /** refuses at once what would be out of time before its turn; absent = it expires in the queue */
  readonly predictsWait?: boolean;
  /** what a full queue answers: Triton's UNAVAILABLE, or RESOURCE_EXHAUSTED under the name `nereid` */
  readonly fullStatus: 'Unavailable' | 'ResourceExhausted';
}

/** An input that tells a model where in its sequence a request is. */
export interface SequenceControlPlan {
  readonly kind: 'start' | 'end' | 'ready' | 'correlationId';
  readonly name: string;
  readonly datatype: DataType;
  /** not used by `correlationId` */
  readonly falseValue: number;
  readonly trueValue: number;
}

/** What a model hands from one request of a sequence to the next. */
export interface SequenceStatePlan {
  readonly input: string;
  readonly output: string;
  readonly datatype: DataType;
  /** without the batch dimension, -1 is free */
  readonly dims: readonly number[];
  /** of the first request */
  readonly initialDims: readonly number[];
  readonly initialData: Uint8Array;
}

/** How the requests of sequences are served. Its tensors are the model's and no client's. */
export interface SequencePlan {
  readonly strategy: 'direct' | 'oldest';
  /** sequences that an instance serves at once */
  readonly slots: number;
  readonly maxIdleUs: number;
  /** of `direct`; `oldest` has `batching` */
  readonly maxQueueDelayUs: number;
  readonly minimumSlotUtilization: number;
  /** every request is a sequence, which its backend may run again */
  readonly iterative: boolean;
  readonly controls: readonly SequenceControlPlan[];
  readonly states: readonly SequenceStatePlan[];
}

/** Joins a tensor of a step's model with one between the steps: an index into `EnsemblePlan.tensors`. */
export interface EnsembleLink {
  readonly name: string;
  readonly tensor: number;
}

/** One step of an ensemble. */
export interface EnsembleStepPlan {
  readonly model: string;
  /** -1 = the latest that serves */
  readonly version: number;
  readonly inputs: readonly EnsembleLink[];
  readonly outputs: readonly EnsembleLink[];
}

/** A fixed graph of other models. Each tensor but the inputs has one step that makes it. */
export interface EnsemblePlan {
  /** names */
  readonly tensors: readonly string[];
  /** index into `tensors` of each input of the model, in order */
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly steps: readonly EnsembleStepPlan[];
  /** requests of one step at once, over all requests of the ensemble; 0 = no limit */
  readonly maxInflightRequests: number;
  /** tensors between steps that requests inside may hold; others wait before the first step; 0 = no limit */
  readonly maxInflightBytes: number;
}

/** One input of a warm-up request. `dims` excludes the batch dimension; none is free. */
export interface WarmupInputPlan {
  readonly name: string;
  readonly datatype: DataType;
  readonly dims: readonly number[];
  /** bytes: one row as the wire has it */
  readonly data: 'zero' | 'random' | Uint8Array;
}

/** Requests that every instance runs before the version serves. */
export interface WarmupSamplePlan {
  readonly name: string;
  /** requests of one row each, executed together; at least 1 */
  readonly batchSize: number;
  /** times, at least 1 */
  readonly count: number;
  readonly inputs: readonly WarmupInputPlan[];
}

/** Everything native needs of one model version. Immutable; crosses once per load. */
export interface ModelPlan {
  readonly name: string;
  readonly version: number;
  readonly backend: string;
  /** absolute path of the model file, empty for backends without one */
  readonly modelFile: string;
  /** 0 = the model has no batch dimension */
  readonly maxBatchSize: number;
  /** requests of up to this many rows are split where they have more than `maxBatchSize`; absent = refused */
  readonly maxRequestRows?: number;
  readonly inputs: readonly TensorPlan[];
  readonly outputs: readonly TensorPlan[];
  /** absent = none */
  readonly batchInputs?: readonly BatchInputPlan[];
  /** absent = direct scheduler: one request per execution */
  readonly batching?: BatchingPlan;
  /** only with `batching` */
  readonly latencyTarget?: LatencyTargetPlan;
  readonly queue: QueuePlan;
  /** present: its requests belong to sequences */
  readonly sequence?: SequencePlan;
  /** present: the model is an ensemble of others and has no backend */
  readonly ensemble?: EnsemblePlan;
  /** number of instances (leases), at least 1 */
  readonly instanceCount: number;
  /** one for each instance; absent = they run as soon as they are free */
  readonly instanceLimits?: readonly InstanceLimitPlan[];
  readonly decoupled: boolean;
  /** its answers may come from the response cache; absent = no */
  readonly responseCache?: boolean;
  /** `parameters { key value { string_value } }` of the configuration, for the backend */
  readonly parameters: Readonly<Record<string, string>>;
  /** extra Prometheus labels, already prefixed with `_` */
  readonly metricTags: Readonly<Record<string, string>>;
  /** bounds of `nv_inference_first_response_histogram_ms`, ascending; empty = Triton's */
  readonly firstResponseBoundsMs: readonly number[];
  /** absent = none */
  readonly warmup?: readonly WarmupSamplePlan[];
}
