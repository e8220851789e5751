// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { AccessControl } from '../access/access-control.ts';
import type { ControlCall } from '../addon/control-call.ts';
import type { ListenResult } from '../addon/listen-options.ts';
import type { Service } from '../addon/routes.ts';
import type { Binding, Engine } from '../addon/types.ts';
import { endsWithin } from '../base/abort.ts';
import type { Log } from '../base/log.ts';
import { ServeError } from '../base/status.ts';
import type { ServerOptions } from '../config/server-options.ts';
import { HealthDetails } from '../control/health-details.ts';
import { LogSettingsVerbs } from '../control/log-settings.ts';
import { MemoryQueries } from '../control/memory.ts';
import { ModelQueries } from '../control/models.ts';
import { RepositoryVerbs } from '../control/repository.ts';
import { SagemakerModels } from '../control/sagemaker.ts';
import { serverMetadata } from '../control/server.ts';
import type { ControlService } from '../control/service.ts';
import { SharedMemory } from '../control/shared-memory.ts';
import { StatisticsQueries } from '../control/statistics.ts';
import { TraceVerbs } from '../control/trace.ts';
import { TuningQueries } from '../control/tuning.ts';
import { handleGrpc } from '../grpc/handlers.ts';
import { type HttpHandlerOptions, handleHttp } from '../http/handlers.ts';
import { ModelLifecycle, type StartFailure } from '../lifecycle/lifecycle.ts';
import type { LoaderOptions } from '../lifecycle/loader.ts';
import { Namespaces } from '../lifecycle/namespaces.ts';
import { RepositoryPoller } from '../lifecycle/poller.ts';
import { readMetricsConfig } from '../metrics/metrics-config.ts';
import { ProcessMetrics } from '../metrics/process-metrics.ts';
import { Staging } from '../repository/staging.ts';
import { routeAliases, vertexAiModel } from './aliases.ts';
import { type Ask, BackendSetup } from './backends.ts';
import { Certificates, readTls } from './certificates.ts';
import { docsApi } from './docs-api.ts';
import { engineOptions } from './engine-options.ts';
import { lazyPredictor, loadInferPath } from './infer-paths.ts';
import { MemoryKeeper } from './memory-keeper.ts';
import { memoryLimitOf } from './memory-limit.ts';
import { startOnDemand } from './on-demand.ts';
import { packageVersion } from './package-version.ts';
import { enabledServices, listenFailure, listenOptions, tlsFiles } from './services.ts';
import { Sources } from './sources.ts';
import { makeTracing, type Tracing } from './tracing.ts';

/** Triton's batch size for models that are auto-completed. */
const DEFAULT_MAX_BATCH_SIZE = 4;

/** A client that keeps its connection busy sends its next request within this time, over any network near enough. */
const SILENCE_MS = 200;

export type { Service };

/** Real addresses; a service that is off is absent. */
export type Addresses = { readonly [K in Service]?: ListenResult };

export interface ServerParts {
  readonly binding: Binding;
  readonly options: ServerOptions;
  readonly log: Log;
  readonly ask?: Ask;
}

/** The engine with everything that steers it. Serves nothing until `start`, listens to nothing until `listen`. */
export class Server implements AsyncDisposable {
  readonly options: ServerOptions;
  readonly engine: Engine;
  readonly lifecycle: ModelLifecycle;
  readonly control: ControlService;
  /** loads a model for a call in mode on-demand, which resolves when it serves; undefined in other modes */
  readonly demand: ((model: string, bytes?: number) => Promise<void>) | undefined;
  /** how this server reads configurations and builds versions */
  readonly loaderOptions: LoaderOptions;
  readonly #log: Log;
  readonly #tracing: Tracing;
  readonly #poller: RepositoryPoller;
  readonly #staging = new Staging();
  readonly #sources: Sources;
  readonly #access: AccessControl;
  readonly #health: HealthDetails | undefined;
  readonly #memory: MemoryKeeper;
  #handlers: HttpHandlerOptions;
  readonly #certificates: Certificates;
  /** chosen at the start */
  #vertexAiModel: string | undefined;
  #metrics: Promise<ProcessMetrics> | undefined;
  #closing: Promise<boolean> | undefined;

  constructor({ binding, options, log, ask }: ServerParts) {
    this.options = options;
    this.#log = log;
    const backends = new BackendSetup(options, log, ask);
    const { metrics, problems } = readMetricsConfig(options);
    for (const problem of problems) log.error(problem);
    this.engine = binding.createEngine(engineOptions(options, metrics, backends.libraryPath));
    this.#certificates = new Certificates(this.engine, log);
    this.#access = new AccessControl(this.engine, options, log);
    this.loaderOptions = {
      engine: this.engine,
      autoComplete: options.autoCompleteConfig,
      serverDefaults: { defaultMaxBatchSize: defaultMaxBatchSize(options) },
      maxQueueSize: options.maxQueueSize,
      maxQueueBytes: options.maxQueueBytes,
      admission: options.admission,
      rateLimited: options.rateLimit === 'execution_count',
      queueFullStatus: options.queueFullStatus,
      backendConfig: options.backendConfig,
      ensembleBytes:
        options.program === 'nereid' ? Math.floor(memoryLimitOf(options) / ENSEMBLE_SHARE) : 0,
      ensureBackend: (backend) => backends.ensure(backend),
    };
    this.#sources = new Sources(options);
    const sources = this.#sources.all;
    this.lifecycle = new ModelLifecycle({
      ...this.loaderOptions,
      engine: this.engine,
      sources,
      loadThreads: options.modelLoadThreadCount,
      loadRetries: options.modelLoadRetryCount,
      strictReadiness: options.strictReadiness,
      readinessPolicy: options.readinessPolicy,
      namespacing: options.modelNamespacing,
      onDemand: options.modelControlMode === 'on-demand',
      changed: () => this.#health?.changed(),
      staging: this.#staging,
      allowOverrideCode: options.allowOverrideCode,
      log,
    });
    this.#health = options.diagnosticsApi
      ? new HealthDetails({
          engine: this.engine,
          lifecycle: this.lifecycle,
          policy: options.strictReadiness ? options.readinessPolicy : undefined,
        })
      : undefined;
    const namespaces = new Namespaces(sources, options.modelNamespacing);
    this.#poller = new RepositoryPoller({
      namespaces,
      lifecycle: this.lifecycle,
      intervalMs: options.repositoryPollSecs * 1000,
      log,
    });
    this.#tracing = makeTracing(options, this.engine, log);
    this.#memory = new MemoryKeeper(this.engine);
    const onDemand = startOnDemand({
      options,
      engine: this.engine,
      lifecycle: this.lifecycle,
      namespaces,
      log,
    });
    this.demand = onDemand && ((name, bytes) => onDemand.demand(name, bytes));
    this.control = {
      metadata: serverMetadata(options.program, options.id, packageVersion()),
      models: new ModelQueries(this.lifecycle, options.modelProperties, this.demand),
      memory: new MemoryQueries({
        engine: this.engine,
        loadedBytes: (name) => onDemand?.loadedBytes(name),
      }),
      repository: new RepositoryVerbs(this.lifecycle, options.modelControlMode),
      sharedMemory: new SharedMemory(this.engine, options.allowClientShm),
      statistics: new StatisticsQueries(this.engine, this.lifecycle),
      tuning: new TuningQueries(this.engine, this.lifecycle),
      logSettings: new LogSettingsVerbs(log, this.engine),
      trace: new TraceVerbs(this.#tracing.tracer, this.lifecycle, {
        file: options.traceFile,
        mode: options.traceMode,
      }),
    };
    this.#handlers = {
      control: this.control,
      tuningApi: options.tuningApi,
      sagemaker: options.allowSagemaker
        ? new SagemakerModels({
            lifecycle: this.lifecycle,
            sources,
            mode: options.modelControlMode,
            root: options.sagemakerModelRoot,
            publish: (names) => this.#publishAliases(names),
          })
        : undefined,
      kserve: options.kserveApi
        ? { models: this.control.models, predictor: lazyPredictor(this) }
        : undefined,
      docs: options.apiDocs ? docsApi(options, this.control, binding.routes) : undefined,
      diagnostics: options.diagnosticsApi,
      testDoor: options.enableTestBackends
        ? (model, version, json) => this.#testControl(model, version, json)
        : undefined,
    };
    this.engine.onControl((calls) => {
      for (const call of calls) void this.#answer(call);
    });
  }

  /**
   * Loads what is to be served from the start.
   * @param names models, or `'*'` for every model of the repositories
   * @returns models that failed; the others serve
   * @throws ServeError Internal when a repository cannot be read
   */
  async start(names: readonly string[] | '*'): Promise<StartFailure[]> {
    for (const service of enabledServices(this.options)) {
      const files = tlsFiles(service, this.options);
      if (files !== undefined) this.#certificates.check(files);
    }
    // Its code is read while the models load.
    if (this.options.allowMetrics) this.#startMetrics();
    if (this.options.inferPath === 'typescript') {
      this.#handlers = { ...this.#handlers, inferPath: await loadInferPath(this) };
    }
    await this.#access.ready();
    await this.#staging.removeLeftovers();
    await this.#sources.removeLeftovers();
    await this.#tracing.start();
    const failures = await this.lifecycle.start(names);
    this.#poller.start();
    if (this.options.allowSagemaker || this.options.allowVertexAi) await this.#publishAliases([]);
    await this.#metrics;
    return failures;
  }

  /**
   * Opens one port of each service that is on.
   * @throws ServeError Unavailable that names the flag and the port
   */
  listen(services: readonly Service[] = enabledServices(this.options)): Addresses {
    const result: { -readonly [K in Service]?: ListenResult } = {};
    for (const service of services) result[service] = this.listenOn(service);
    return result;
  }

  /** Opens one port; host and port as the options say unless given. */
  listenOn(service: Service, at: { host?: string; port?: number } = {}): ListenResult {
    const wanted = listenOptions(service, this.options);
    if (service === 'metrics') this.#startMetrics();
    const host = at.host ?? wanted.host;
    const port = at.port ?? wanted.port;
    const files = tlsFiles(service, this.options);
    const tls = files === undefined ? {} : { tls: readTls(files) };
    let opened: ListenResult;
    try {
      opened = this.engine.listen({ ...wanted, ...tls, host, port });
    } catch (thrown) {
      throw listenFailure(service, host, port, thrown);
    }
    if (files !== undefined) this.#certificates.follow(`--${service}-port`, opened.id, files);
    return opened;
  }

  /** Reads the certificates of open ports again, for connections to come; failures are logged. */
  async renewCertificates(): Promise<void> {
    await this.#certificates.renew('all');
  }

  get isClosing(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * Not ready → stop accepting → drain → unload → end. Later calls wait for the first.
   * @returns false when requests were still in flight after `timeoutMs` and were cancelled
   */
  close(timeoutMs: number): Promise<boolean> {
    this.#closing ??= this.#close(timeoutMs);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(this.options.exitTimeoutSecs * 1000);
  }

  /** @param loaded models of SageMaker's multi-model endpoint */
  #publishAliases(loaded: readonly string[]): Promise<void> {
    const served = new Set(this.lifecycle.allServed().map(({ plan }) => plan.name));
    this.#vertexAiModel ??= this.options.allowVertexAi
      ? vertexAiModel(this.options, [...served])
      : '';
    return this.engine.setAliases(routeAliases(this.options, this.#vertexAiModel, loaded));
  }

  #startMetrics(): void {
    if (!this.options.extendedMetrics) return;
    this.#metrics ??= ProcessMetrics.start(this.engine);
    // Without its block the page still has native's part; `start` reports the failure.
    this.#metrics.catch(() => undefined);
  }

  async #close(timeoutMs: number): Promise<boolean> {
    const deadline = Date.now() + timeoutMs;
    let isClean = false;
    this.#certificates[Symbol.dispose]();
    this.#poller[Symbol.dispose]();
    try {
      await this.lifecycle.beginExit();
      await this.engine.stopListening();
      isClean = await this.#drain(deadline);
      if (isClean) isClean = await endsWithin(this.lifecycle.close(), deadline - Date.now());
    } catch (thrown) {
      this.#log.error(`stopping: ${ServeError.from(thrown).message}`);
      isClean = false;
    }
    await this.#tracing.tracer.close().catch((thrown: unknown) => {
      this.#log.error(`stopping: ${ServeError.from(thrown).message}`);
    });
    (await this.#metrics?.catch(() => undefined))?.[Symbol.dispose]();
    this.#access[Symbol.dispose]();
    this.#health?.[Symbol.dispose]();
    this.#memory[Symbol.dispose]();
    await this.engine.close();
    await this.#staging[Symbol.asyncDispose]();
    await this.#sources[Symbol.asyncDispose]();
    return isClean;
  }

  /**
   * Waits until nothing is in flight. What still comes over open connections is served, with word that they end; so a
   * moment of silence only counts when it lasts.
   */
  async #drain(deadline: number): Promise<boolean> {
    while (await this.engine.drain(Math.max(0, deadline - Date.now()))) {
      if (this.engine.snapshot().connections === 0) return true;
      await new Promise((resolve) => setTimeout(resolve, SILENCE_MS));
      if (this.engine.snapshot().inFlight === 0) return true;
    }
    return false;
  }

  async #answer(call: ControlCall): Promise<void> {
    if (call.protocol === 'grpc') {
      const reply = await handleGrpc(call, this.#handlers);
      this.#send(() => this.engine.replyGrpc(call.token, reply));
    } else {
      const reply = await handleHttp(call, this.#handlers);
      this.#send(() => this.engine.replyHttp(call.token, reply));
    }
  }

  // The engine may have ended while a slow call was answered.
  #send(reply: () => void): void {
    try {
      reply();
    } catch (thrown) {
      this.#log.verbose(
        1,
        `a control call could not be answered: ${ServeError.from(thrown).message}`,
      );
    }
  }

  async #testControl(model: string, version: string, json: string): Promise<string> {
    const asked = version === '' ? undefined : Number(version);
    const { handle } = this.lifecycle.find(model, asked);
    return this.engine.testControl(handle, json);
  }
}

/** What lies between the steps of one ensemble may take this part of all memory. */
const ENSEMBLE_SHARE = 4;

function defaultMaxBatchSize(options: ServerOptions): number {
  const given = options.backendConfig.findLast(({ key }) => key === 'default-max-batch-size');
  return given === undefined ? DEFAULT_MAX_BATCH_SIZE : Number(given.value);
}
