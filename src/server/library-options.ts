// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { invalidArgument } from '../base/status.ts';
import { parseOptions } from '../config/options.ts';
import type { ServerOptions } from '../config/server-options.ts';

/**
 * Flags of `nereid serve` under their own names, `--model-control-mode` as `modelControlMode`, with the same values and
 * defaults: docs/flags.md explains each.
 */
export interface FlagOptions {
  /**
   * What is loaded by itself, and what the network may do: `none` neither; `poll` serves every model and follows what
   * changes in the repositories; `explicit` lets clients load and unload; `on-demand` loads what requests name, those
   * of `infer` too. The program itself may load and unload in every mode. Default `none`.
   */
  readonly modelControlMode?: ServerOptions['modelControlMode'];
  /** seconds between two looks in mode `poll`; default 15 */
  readonly repositoryPollSecs?: number;
  /** MiB that loaded models may take together in mode `on-demand`; default 0 = no bound */
  readonly onDemandMemoryMb?: number;
  /** calls that may wait for models in mode `on-demand`; default 1000 */
  readonly onDemandQueueSize?: number;
  /** models that may load at the same time; default 4 */
  readonly modelLoadThreadCount?: number;
  /** how often a version whose build failed is built again; default 0 */
  readonly modelLoadRetryCount?: number;
  /** takes `configs/NAME.pbtxt` of a model that has it instead of config.pbtxt */
  readonly modelConfigName?: string;
  /** serves models of one name from several repositories; default false */
  readonly modelNamespacing?: boolean;
  /** takes config.pbtxt as it is; default false */
  readonly disableAutoCompleteConfig?: boolean;
  /** whether loads may bring code; default false */
  readonly allowOverrideCode?: boolean;
  /** false: `createServer` succeeds although models of the start failed; default true */
  readonly exitOnError?: boolean;
  /** false: ready as soon as it answers; default true */
  readonly strictReadiness?: boolean;
  /** `all`, `known`, `any` or `listed:NAME[,NAME…]`; default `all` */
  readonly readinessPolicy?: string;
  /** requests that may wait for one model; 0 = no limit; default 1024 */
  readonly maxQueueSize?: number;
  /** bytes of inputs that may wait for one model; default 0 = no limit */
  readonly maxQueueBytes?: number;
  /** default `off` */
  readonly admission?: 'off' | 'predicted-wait';
  /** default `exhausted` */
  readonly queueFullStatus?: 'unavailable' | 'exhausted';
  /** e.g. `local,size=1048576` */
  readonly cacheConfig?: string;
  /** default `off` */
  readonly rateLimit?: 'off' | 'execution_count';
  /** `name:count[:device]` each */
  readonly rateLimitResource?: readonly string[];
  /** `backend,key=value` each */
  readonly backendConfig?: readonly string[];
}

/** How a server is made inside a program. Whatever is left out is as `nereid serve` has it. */
export interface CreateServerOptions extends FlagOptions {
  /** folder or folders of models, or `s3://…`, `gs://…`, `as://…` with the package of the store */
  readonly modelRepository: string | readonly string[];
  /** models to load at once; `'*'` = every model; default none. In mode `on-demand` they are never evicted. */
  readonly loadModels?: readonly string[] | '*';
  /** may clients on the network load and unload models: short for `modelControlMode: 'explicit'`; default false */
  readonly allowModelControl?: boolean;
  /** ceiling of request, tensor and response bytes; default half of the memory the process may use */
  readonly memoryLimitBytes?: number;
  /** network threads; default min(4, CPUs) */
  readonly ioThreads?: number;
  /** milliseconds that requests in flight may take when the server closes; default 30,000 */
  readonly exitTimeoutMs?: number;
  /** libonnxruntime to use; default the one that `nereid setup onnxruntime` fetched */
  readonly onnxRuntimeLibrary?: string;
  /** fetch ONNX Runtime when a model first needs it; default false */
  readonly fetchOnnxRuntime?: boolean;
  /**
   * Any other flags of `nereid serve`, as on its command line: `['--api-keys-file=keys']`. Those of ports, metrics and
   * logging have no effect.
   */
  readonly flags?: readonly string[];
  /** what goes to stderr; default nothing */
  readonly log?: 'silent' | 'error' | 'info';
  /** stops the waiting for `loadModels` */
  readonly signal?: AbortSignal;
}

/** Every member of {@link FlagOptions}: the compiler wants each. */
const FLAGS: Readonly<Record<keyof FlagOptions, string>> = {
  modelControlMode: 'model-control-mode',
  repositoryPollSecs: 'repository-poll-secs',
  onDemandMemoryMb: 'on-demand-memory-mb',
  onDemandQueueSize: 'on-demand-queue-size',
  modelLoadThreadCount: 'model-load-thread-count',
  modelLoadRetryCount: 'model-load-retry-count',
  modelConfigName: 'model-config-name',
  modelNamespacing: 'model-namespacing',
  disableAutoCompleteConfig: 'disable-auto-complete-config',
  allowOverrideCode: 'allow-override-code',
  exitOnError: 'exit-on-error',
  strictReadiness: 'strict-readiness',
  readinessPolicy: 'readiness-policy',
  maxQueueSize: 'max-queue-size',
  maxQueueBytes: 'max-queue-bytes',
  admission: 'admission',
  queueFullStatus: 'queue-full-status',
  cacheConfig: 'cache-config',
  rateLimit: 'rate-limit',
  rateLimitResource: 'rate-limit-resource',
  backendConfig: 'backend-config',
};

/** Flags without a value: given or not. */
const SWITCHES: ReadonlySet<string> = new Set(['disable-auto-complete-config']);

/** What the options of a library come to. */
export interface LibraryPlan {
  readonly options: ServerOptions;
  /** to be loaded at once */
  readonly startModels: readonly string[] | '*';
  /** flags that have no effect, a sentence each */
  readonly notes: readonly string[];
}

/** @throws ServeError InvalidArgument for options that contradict each other or have a value that is none */
export function readLibraryOptions(given: CreateServerOptions): LibraryPlan {
  const { modelRepository, loadModels } = given;
  const repositories = typeof modelRepository === 'string' ? [modelRepository] : modelRepository;
  if (repositories.length === 0)
    throw invalidArgument('modelRepository: expected a folder, got none');
  const mode = modeOf(given);
  const parsed = parseOptions('nereid', [
    ...repositories.map((path) => `--model-repository=${path}`),
    ...flagsOf({ ...given, modelControlMode: mode }),
    ...(given.flags ?? []),
  ]);
  if (parsed.kind === 'help') throw invalidArgument("flags: '--help' is of the command line");
  if (parsed.kind === 'error')
    throw invalidArgument(`createServer: ${parsed.message.split('\n').join(' ')}`);
  const { options } = parsed;
  if (options.modelControlMode === 'poll' && loadModels !== undefined)
    throw invalidArgument("loadModels: mode 'poll' loads every model, expected none");
  const names = [...(loadModels ?? []), ...options.loadModels];
  const isAll = options.modelControlMode === 'poll' || names.includes('*');
  const isVerbose = given.log === 'info';
  return {
    options: {
      ...options,
      loadModels: options.modelControlMode === 'on-demand' ? names : [],
      memoryLimitBytes: given.memoryLimitBytes ?? options.memoryLimitBytes,
      ioThreads: given.ioThreads ?? options.ioThreads,
      onnxRuntimeLibrary: given.onnxRuntimeLibrary ?? options.onnxRuntimeLibrary,
      setup: given.fetchOnnxRuntime === true ? 'auto' : 'never',
      allowMetrics: false,
      extendedMetrics: false,
      logError: isVerbose || given.log === 'error',
      logWarning: isVerbose,
      logInfo: isVerbose,
    },
    startModels: isAll ? '*' : names,
    notes: parsed.notes,
  };
}

function modeOf(given: CreateServerOptions): ServerOptions['modelControlMode'] {
  const { allowModelControl: allows, modelControlMode: mode } = given;
  if (mode === undefined) return allows === true ? 'explicit' : 'none';
  if (allows !== undefined && allows !== (mode === 'explicit'))
    throw invalidArgument(
      `allowModelControl: ${allows} contradicts modelControlMode '${mode}'; give one of them`,
    );
  return mode;
}

function flagsOf(given: FlagOptions): string[] {
  const words: string[] = [];
  for (const [key, flag] of Object.entries(FLAGS)) {
    const value = given[key as keyof FlagOptions];
    if (value === undefined) continue;
    if (SWITCHES.has(flag)) {
      if (value === true) words.push(`--${flag}`);
      continue;
    }
    for (const one of Array.isArray(value) ? value : [value]) words.push(`--${flag}=${one}`);
  }
  return words;
}
