// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { AccessPolicy } from '../../src/addon/access-policy.ts';
import type {
  ControlCall,
  GrpcReply,
  HttpReply,
  ModelDemand,
} from '../../src/addon/control-call.ts';
import type { DispatchTable } from '../../src/addon/dispatch-table.ts';
import type { EngineOptions, LogOptions } from '../../src/addon/engine-options.ts';
import type { InferAnswer, InferCall } from '../../src/addon/infer-call.ts';
import type { ListenOptions, ListenResult, TlsOptions } from '../../src/addon/listen-options.ts';
import type { ModelPlan } from '../../src/addon/model-plan.ts';
import type {
  CudaRegion,
  RegionKind,
  RegionMemory,
  RegisteredRegion,
  SystemRegion,
} from '../../src/addon/regions.ts';
import type { RouteAliases } from '../../src/addon/routes.ts';
import type {
  BatchingView,
  EngineSnapshot,
  MemoryUse,
  ModelStatistics,
} from '../../src/addon/snapshot.ts';
import type { TracePlan, TraceRecord } from '../../src/addon/tracing.ts';
import type { Adjustment, Binding, Engine, ModelInspection } from '../../src/addon/types.ts';

/** An error as the addon throws it: a canonical gRPC number and a sentence. */
export function addonError(code: number, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/** A moment that a test opens. */
export class Gate {
  readonly #opened: Promise<void>;
  #open: () => void = () => undefined;

  constructor() {
    this.#opened = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  open(): void {
    this.#open();
  }

  pass(): Promise<void> {
    return this.#opened;
  }
}

/**
 * An engine without native code, for tests of the control plane: loads anything, serves nothing by itself, answers
 * infer by echoing its inputs, and remembers every verb in order.
 */
export class FakeEngine implements Engine {
  readonly events: string[] = [];
  /** what native calls for calls whose model does not serve */
  demand: (demands: readonly ModelDemand[]) => void = () => undefined;
  readonly plans = new Map<number, ModelPlan>();
  readonly tables: DispatchTable[] = [];
  readonly policies: AccessPolicy[] = [];
  readonly aliases: RouteAliases[] = [];
  readonly httpReplies = new Map<number, HttpReply>();
  readonly grpcReplies = new Map<number, GrpcReply>();
  readonly cancelled: number[] = [];
  readonly regionBytes = new Map<string, Uint8Array>();
  readonly tracePlans: (TracePlan | undefined)[] = [];
  traceRemaining: { id: number; remaining: number }[] = [];
  readonly traces: TraceRecord[] = [];
  readonly logOptions: LogOptions[] = [];
  metricsText = '';
  healthDetails = '';
  memoryUse: MemoryUse = {
    limitBytes: 0,
    usedBytes: 0,
    peakBytes: 0,
    requestBytes: 0,
    idleBytes: 0,
    models: [],
    allocator: { usedBytes: 0, freeBytes: 0, mappedBytes: 0 },
  };
  inspection: ModelInspection = { inputs: [], outputs: [] };
  /** version → error that `load` rejects with */
  readonly loadErrors = new Map<string, Error>();
  adjustError: Error | undefined;
  loadGate: Gate | undefined;
  unloadGate: Gate | undefined;
  publishGate: Gate | undefined;
  inferGate: Gate | undefined;
  drains = true;
  listenError: Error | undefined;
  tlsError: Error | undefined;
  runningLoads = 0;
  mostRunningLoads = 0;
  statistics: ModelStatistics[] = [];
  #regions: RegisteredRegion[] = [];
  #nextHandle = 1;
  #nextPort = 40_000;
  #handler: (calls: readonly ControlCall[]) => void = () => undefined;

  /** The table the I/O threads would read now. */
  get table(): DispatchTable {
    const table = this.tables.at(-1);
    if (table === undefined) throw new Error('nothing was published');
    return table;
  }

  async inspect(): Promise<ModelInspection> {
    return this.inspection;
  }

  async load(plan: ModelPlan): Promise<number> {
    this.runningLoads += 1;
    this.mostRunningLoads = Math.max(this.mostRunningLoads, this.runningLoads);
    await this.loadGate?.pass();
    this.runningLoads -= 1;
    const error = this.loadErrors.get(`${plan.name}:${plan.version}`);
    if (error !== undefined) throw error;
    const handle = this.#nextHandle++;
    this.plans.set(handle, plan);
    this.events.push(`load ${plan.name}:${plan.version} as ${handle}`);
    return handle;
  }

  async unload(handle: number): Promise<void> {
    await this.unloadGate?.pass();
    this.plans.delete(handle);
    this.events.push(`unload ${handle}`);
  }

  async adjust(adjustments: readonly Adjustment[]): Promise<void> {
    if (this.adjustError !== undefined) throw this.adjustError;
    for (const { handle, plan } of adjustments) this.plans.set(handle, plan);
    this.events.push(`adjust ${adjustments.map(({ handle }) => handle).join(' ')}`);
  }

  async publish(table: DispatchTable): Promise<void> {
    await this.publishGate?.pass();
    this.tables.push(table);
    this.events.push(`publish ready=${table.ready}`);
  }

  onTokens(): void {}

  replyToken(): void {}

  onDemand(handler: (demands: readonly ModelDemand[]) => void): void {
    this.demand = handler;
  }

  async setPolicy(policy: AccessPolicy): Promise<void> {
    this.policies.push(policy);
  }

  async setTracing(plan: TracePlan | undefined): Promise<void> {
    this.tracePlans.push(plan);
  }

  traceCounts(): { id: number; remaining: number }[] {
    return this.traceRemaining;
  }

  takeTraces(): TraceRecord[] {
    return this.traces.splice(0);
  }

  setLog(options: LogOptions): void {
    this.logOptions.push(options);
  }

  async setAliases(aliases: RouteAliases): Promise<void> {
    this.aliases.push(aliases);
  }

  listen(options: ListenOptions): ListenResult {
    if (this.listenError !== undefined) throw this.listenError;
    this.events.push(`listen ${options.service}${options.tls === undefined ? '' : ' with TLS'}`);
    const port = options.port === 0 ? this.#nextPort++ : options.port;
    return { id: port, host: options.host, port };
  }

  checkTls(): void {
    if (this.tlsError !== undefined) throw this.tlsError;
  }

  renewTls(id: number, tls: TlsOptions): void {
    if (this.tlsError !== undefined) throw this.tlsError;
    this.events.push(`renewTls ${id} ${tls.certificate.name}`);
  }

  async stopListening(): Promise<void> {
    this.events.push('stopListening');
  }

  async drain(): Promise<boolean> {
    this.events.push('drain');
    return this.drains;
  }

  onControl(handler: (calls: readonly ControlCall[]) => void): void {
    this.#handler = handler;
  }

  /** Delivers calls as native would. */
  deliver(calls: readonly ControlCall[]): void {
    this.#handler(calls);
  }

  replyHttp(token: number, reply: HttpReply): void {
    this.httpReplies.set(token, reply);
  }

  replyGrpc(token: number, reply: GrpcReply): void {
    this.grpcReplies.set(token, reply);
  }

  async infer(call: InferCall, cancelId: number): Promise<InferAnswer> {
    await this.inferGate?.pass();
    if (this.cancelled.includes(cancelId)) throw addonError(1, 'cancelled');
    const outputs = call.inputs;
    return { modelName: call.model, modelVersion: call.version ?? '', id: call.id ?? '', outputs };
  }

  cancel(cancelId: number): void {
    this.cancelled.push(cancelId);
  }

  registerSystemRegion(region: SystemRegion): void {
    this.#addRegion({ kind: 'system', ...region });
  }

  registerCudaRegion({ name, deviceId, byteSize }: CudaRegion): void {
    this.#addRegion({ kind: 'cuda', name, deviceId, byteSize });
  }

  unregisterRegions(kind: RegionKind, name: string): void {
    this.#regions = this.#regions.filter(
      (region) => region.kind !== kind || (name !== '' && region.name !== name),
    );
  }

  regions(): readonly RegisteredRegion[] {
    return this.#regions;
  }

  /** Each region is memory of its own that starts with zeros. */
  openRegion(name: string, offset: bigint, byteSize: bigint): RegionMemory {
    const bytes = this.regionBytes.get(name);
    if (bytes === undefined) {
      throw addonError(5, `Unable to find shared memory region: '${name}'`);
    }
    const part = bytes.subarray(Number(offset), Number(offset + byteSize));
    return {
      byteSize: part.length,
      read: () => part.slice(),
      write: (data) => part.set(data),
    };
  }

  #addRegion(region: RegisteredRegion): void {
    if (this.#regions.some(({ name }) => name === region.name)) {
      throw addonError(6, `shared memory region '${region.name}' already in manager`);
    }
    this.#regions.push(region);
    this.regionBytes.set(region.name, new Uint8Array(Number(region.byteSize)));
  }

  snapshot(): EngineSnapshot {
    return {
      models: this.statistics,
      connections: 0,
      inFlight: 0,
      memoryUsedBytes: 0,
      memoryLimitBytes: 0,
    };
  }

  memory(): MemoryUse {
    return this.memoryUse;
  }

  async trimMemory(): Promise<boolean> {
    return false;
  }

  setHealthDetails(members?: string): void {
    this.healthDetails = members ?? this.healthDetails;
  }

  setMetricsText(text: string): void {
    this.metricsText = text;
  }

  batching(): BatchingView | undefined {
    return undefined;
  }

  async testControl(handle: number, json: string): Promise<string> {
    return JSON.stringify({ handle, got: JSON.parse(json) as unknown });
  }

  log(): void {}

  async close(): Promise<void> {
    this.events.push('close');
  }
}

/** A binding that hands out one fake engine. */
export function fakeBinding(engine = new FakeEngine()): Binding & {
  readonly engine: FakeEngine;
  options: EngineOptions | undefined;
} {
  return {
    version: 'fake',
    exitAtOnce(code): never {
      throw new Error(`the process was to end with ${code}`);
    },
    routes: [],
    engine,
    options: undefined,
    createEngine(options: EngineOptions): Engine {
      this.options = options;
      return engine;
    },
  };
}

/** A number that no JavaScript number holds. */
export const BIG_NS = 2n ** 63n + 1n;

/** Two requests in one execution of two rows. */
export function statisticsOf(name: string, version: number): ModelStatistics {
  const none = { count: 0n, ns: 0n };
  return {
    handle: 0,
    name,
    version,
    received: 0n,
    pending: 0n,
    lastInferenceMs: 1_764_000_000_000n,
    inferenceCount: 2n,
    executionCount: 1n,
    success: { count: 2n, ns: BIG_NS },
    fail: none,
    queue: none,
    computeInput: none,
    computeInfer: none,
    computeOutput: none,
    cacheHit: none,
    cacheMiss: none,
    batches: [
      {
        batchSize: 2n,
        computeInput: none,
        computeInfer: { count: 1n, ns: 5n },
        computeOutput: none,
      },
    ],
    failures: { rejected: 0n, canceled: 0n, backend: 0n, other: 0n },
    responses: [],
    instances: [],
    canServe: true,
  };
}
