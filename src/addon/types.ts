// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The surface of the native addon, by hand. `addon.test.ts` compares it with the exports of the binary.
 *
 * Every verb is coarse: one call carries one plan, one batch of control calls or one snapshot. Errors arrive as
 * `Error` objects with a numeric `code` (canonical gRPC number); `ServeError.from` turns them into `ServeError`.
 */

import type { AccessPolicy, TokenInquiry, TokenVerdict } from './access-policy.ts';
import type { ControlCall, GrpcReply, HttpReply, ModelDemand } from './control-call.ts';
import type { DataType } from './data-type.ts';
import type { DispatchTable } from './dispatch-table.ts';
import type { EngineOptions, LogOptions } from './engine-options.ts';
import type { InferAnswer, InferCall } from './infer-call.ts';
import type { ListenOptions, ListenResult, TlsOptions } from './listen-options.ts';
import type { ModelPlan } from './model-plan.ts';
import type {
  CudaRegion,
  RegionKind,
  RegionMemory,
  RegisteredRegion,
  SystemRegion,
} from './regions.ts';
import type { RouteAliases, RouteRow } from './routes.ts';
import type { BatchingView, EngineSnapshot, MemoryUse } from './snapshot.ts';
import type { TracePlan, TraceRecord } from './tracing.ts';

/** One tensor as a model file declares it. `shape` has -1 for free dimensions and includes the batch dimension. */
export interface InspectedTensor {
  readonly name: string;
  readonly datatype: DataType;
  readonly shape: readonly number[];
}

/** What a backend can tell of a model file without serving it. */
export interface ModelInspection {
  readonly inputs: readonly InspectedTensor[];
  readonly outputs: readonly InspectedTensor[];
}

/** A loaded version and what it is to be: a plan that differs from its own in instances and limits alone. */
export interface Adjustment {
  readonly handle: number;
  /** without warm-up: what is added runs the samples that it was loaded with */
  readonly plan: ModelPlan;
}

/** One engine: I/O threads, models, listeners. Made by `binding.createEngine`; ended by `close`. */
export interface Engine {
  /** reads a model file's inputs and outputs. Rejects with InvalidArgument when the file is not a model. */
  inspect(backend: string, modelFile: string): Promise<ModelInspection>;
  /** builds and warms one version; resolves with its handle. Nothing is left behind when it rejects. */
  load(plan: ModelPlan): Promise<number>;
  /** resolves when the last request that holds the version has ended and its instances are destroyed */
  unload(handle: number): Promise<void>;
  /**
   * Gives versions other numbers of instances and other limits while they serve: all of them, or none when it rejects.
   * Resolves when what serves no longer is gone, but for instances that have sequences to end.
   */
  adjust(adjustments: readonly Adjustment[]): Promise<void>;
  publish(table: DispatchTable): Promise<void>;
  /**
   * In force at once for connections to come, and everywhere when it resolves. Until the first call every route is open.
   * @throws Error that says what is wrong with the policy
   */
  setPolicy(policy: AccessPolicy): Promise<void>;
  /** In force everywhere when it resolves; undefined = nothing is traced. */
  setTracing(plan: TracePlan | undefined): Promise<void>;
  /** requests that the samplers of the last plan may still choose; -1 = without end */
  traceCounts(): { readonly id: number; readonly remaining: number }[];
  /** records of requests that have ended since the last call, oldest first; bounded, what does not fit is dropped */
  takeTraces(): TraceRecord[];
  /** @throws Error when the file cannot be opened; the options of before stay */
  setLog(options: LogOptions): void;
  /** In force at once for connections to come, and everywhere when it resolves. */
  setAliases(aliases: RouteAliases): Promise<void>;
  listen(options: ListenOptions): ListenResult;
  /** throws InvalidArgument that names the file and says what is wrong with it */
  checkTls(tls: TlsOptions): void;
  /** other certificates for the connections to come; throws as `checkTls` and then changes nothing. `id` is of `listen`. */
  renewTls(id: number, tls: TlsOptions): void;
  /** stops accepting on every listener; open connections live on */
  stopListening(): Promise<void>;
  /** resolves when nothing is in flight, or false after `timeoutMs` */
  drain(timeoutMs: number): Promise<boolean>;
  /** calls arrive in batches; answer each token once with `replyHttp` or `replyGrpc` */
  onControl(handler: (calls: readonly ControlCall[]) => void): void;
  replyHttp(token: number, reply: HttpReply): void;
  replyGrpc(token: number, reply: GrpcReply): void;
  onTokens(handler: (inquiries: readonly TokenInquiry[]) => void): void;
  /** `left` is told the tokens of calls, demands among them, for whose answer nobody waits any more */
  onDemand(
    handler: (demands: readonly ModelDemand[]) => void,
    left: (tokens: readonly number[]) => void,
  ): void;
  replyToken(inquiry: number, verdict: TokenVerdict): void;
  /**
   * Runs one request. The model must be in the published table. Rejects with the engine's status.
   * @param cancelId any number the caller may pass to `cancel`
   */
  infer(call: InferCall, cancelId: number): Promise<InferAnswer>;
  cancel(cancelId: number): void;
  /** Throws AlreadyExists, Internal or InvalidArgument in Triton's words. */
  registerSystemRegion(region: SystemRegion): void;
  registerCudaRegion(region: CudaRegion): void;
  /** the region of that name, if it is of this kind; an empty name means all of the kind */
  unregisterRegions(kind: RegionKind, name: string): void;
  /** both kinds, by name */
  regions(): readonly RegisteredRegion[];
  /** for `--infer-path=typescript`. Throws NotFound or InvalidArgument in Triton's words. */
  openRegion(name: string, offset: bigint, byteSize: bigint): RegionMemory;
  snapshot(): EngineSnapshot;
  /** text block appended to `/metrics`; TypeScript renews it at most once a second */
  setMetricsText(text: string): void;
  /** members of the JSON object of `/v2/health/details`, absent = those of before; a sign of life in any case */
  setHealthDetails(members?: string): void;
  memory(): MemoryUse;
  /**
   * Gives memory back to the system if little of it was used since the last call, or a model was unloaded.
   * @returns false = nothing was to be done
   */
  trimMemory(): Promise<boolean>;
  /** Undefined for an ensemble. Throws NotFound for a handle that is not loaded. */
  batching(handle: number): BatchingView | undefined;
  /** the `/v2/test/{model}` door: JSON in, JSON out. Rejects unless the engine was made with enableTestBackends. */
  testControl(handle: number, json: string): Promise<string>;
  log(
    severity: 'error' | 'warning' | 'info' | 'verbose',
    file: string,
    line: number,
    message: string,
  ): void;
  /** drains nothing: cancels what is left, closes connections, joins every thread */
  close(): Promise<void>;
}

/** What the binary exports. */
export interface Binding {
  readonly version: string;
  createEngine(options: EngineOptions): Engine;
  /** Ends the process with nothing behind it: no thread is joined, no file flushed. */
  exitAtOnce(code: number): never;
  readonly routes: readonly RouteRow[];
}
