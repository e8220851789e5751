// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import {
  type Flag,
  FlagError,
  OPTIONAL_BOOLEAN,
  refusedTritonFlags,
  serverFlags,
} from './flag-table.ts';

/** The name the program was started by; it chooses the defaults. */
export type Program = 'tritonserver' | 'nereid';

/** `[backend,]key=value` of `--backend-config`; `backend` is empty for a setting of every backend. */
export interface BackendSetting {
  readonly backend: string;
  readonly key: string;
  readonly value: string;
}

/** Everything the flags say. Defaults are those of the program's name: see docs/flags.md. */
export interface ServerOptions {
  readonly program: Program;
  readonly id: string;
  readonly exitTimeoutSecs: number;
  readonly logVerbose: number;
  readonly logInfo: boolean;
  readonly logWarning: boolean;
  readonly logError: boolean;
  readonly logFormat: 'default' | 'ISO8601';
  readonly modelRepositories: readonly string[];
  readonly exitOnError: boolean;
  readonly autoCompleteConfig: boolean;
  readonly strictReadiness: boolean;
  readonly modelControlMode: 'none' | 'explicit';
  /** `--load-model`, in order; `*` alone stands for all */
  readonly loadModels: readonly string[];
  readonly modelLoadThreadCount: number;
  readonly allowHttp: boolean;
  readonly httpAddress: string;
  readonly httpPort: number;
  readonly reuseHttpPort: boolean;
  readonly httpMaxInputBytes: number;
  readonly allowGrpc: boolean;
  readonly grpcAddress: string;
  readonly grpcPort: number;
  readonly reuseGrpcPort: boolean;
  readonly allowMetrics: boolean;
  /** empty = the HTTP address */
  readonly metricsAddress: string;
  readonly metricsPort: number;
  readonly backendConfig: readonly BackendSetting[];
  /** one protocol per port (HTTP/1.1 on the HTTP port, HTTP/2 on the gRPC port) instead of both on each */
  readonly singleProtocolPorts: boolean;
  readonly jsonHealthBodies: boolean;
  /** requests that may wait per model where its configuration says nothing; 0 = no limit */
  readonly maxQueueSize: number;
  /** what a full queue answers */
  readonly queueFullStatus: 'Unavailable' | 'ResourceExhausted';
  /** ceiling of request, tensor and response bytes; 0 = half of the memory the process may use */
  readonly memoryLimitBytes: number;
  /** 0 = min(4, CPUs the process may use) */
  readonly ioThreads: number;
  readonly inferPath: 'native' | 'typescript';
  readonly inlineExecution: 'auto' | 'off';
  readonly enableTestBackends: boolean;
  /** empty = the one `nereid setup onnxruntime` fetched */
  readonly onnxRuntimeLibrary: string;
  readonly setup: 'ask' | 'auto' | 'never';
}

/** While flags are read. */
export type OptionsDraft = { -readonly [K in keyof ServerOptions]: ServerOptions[K] };

/** What a command line asks for. */
export type ParsedOptions =
  | { readonly kind: 'options'; readonly options: ServerOptions; readonly notes: readonly string[] }
  | { readonly kind: 'help' }
  /** `message` is to be printed after the usage, as Triton does */
  | { readonly kind: 'error'; readonly message: string };

/** The options a program has without any flag. */
export function defaultOptions(program: Program): ServerOptions {
  return draftOf(program);
}

/**
 * Reads a command line by GNU's rules: `--flag=value` or `--flag value`, a unique beginning of a name will do,
 * `--` ends nothing because no argument but flags is taken.
 * @param argv arguments without the program's name
 */
export function parseOptions(program: Program, argv: readonly string[]): ParsedOptions {
  const draft = draftOf(program);
  const notes: string[] = [];
  const flags = serverFlags.filter((flag) => flag.only === undefined || flag.only === program);
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? '';
    if (!word.startsWith('--') || word === '--') return failure(`Unexpected argument: ${word}`);
    const equals = word.indexOf('=');
    const given = word.slice(2, equals < 0 ? undefined : equals);
    const found = findFlag(flags, given);
    if (typeof found === 'string') return failure(found);
    if (found.name === 'help') return { kind: 'help' };
    let value: string;
    if (equals >= 0) {
      if (found.value === '') return failure(`option '--${found.name}' doesn't allow an argument`);
      value = word.slice(equals + 1);
    } else if (found.value === '') {
      value = '';
    } else if (found.value === OPTIONAL_BOOLEAN) {
      const next = argv[i + 1];
      const isValue = next !== undefined && /^(?:true|on|1|false|off|0)$/i.test(next);
      if (isValue) i++;
      value = isValue ? next : 'true';
    } else {
      const next = argv[++i];
      if (next === undefined) return failure(`option '--${found.name}' requires an argument`);
      value = next;
    }
    try {
      found.set(draft, value);
    } catch (error) {
      if (!(error instanceof FlagError)) throw error;
      return failure(`Bad option: "--${found.name}".\n${error.message}`);
    }
    if (found.withoutEffect !== undefined) {
      const note = `--${found.name} is accepted and has no effect: ${found.withoutEffect}`;
      if (!notes.includes(note)) notes.push(note);
    }
  }
  const problem = findConflict(draft);
  return problem === undefined ? { kind: 'options', options: draft, notes } : failure(problem);
}

/**
 * What is wrong with a set of options that are right one by one.
 * @returns a sentence, or undefined
 */
export function findConflict(options: ServerOptions): string | undefined {
  if (options.loadModels.length > 0 && options.modelControlMode !== 'explicit') {
    return "Error: Use of '--load-model' requires setting '--model-control-mode=explicit' as well.";
  }
  if (options.loadModels.includes('*') && options.loadModels.length > 1) {
    return "Error: Wildcard model name '*' must be the ONLY startup model if specified at all.";
  }
  return findPortCollision(options);
}

function findPortCollision(options: ServerOptions): string | undefined {
  const all = [
    { on: options.allowHttp, what: 'HTTP', host: options.httpAddress, port: options.httpPort },
    { on: options.allowGrpc, what: 'GRPC', host: options.grpcAddress, port: options.grpcPort },
    {
      on: options.allowMetrics,
      what: 'metrics',
      host: metricsHost(options),
      port: options.metricsPort,
    },
  ];
  const services = all.filter((service) => service.on && service.port !== 0);
  for (const [i, one] of services.entries()) {
    for (const other of services.slice(i + 1)) {
      if (one.port === other.port && addressesOverlap(one.host, other.host)) {
        return (
          `The server cannot listen to ${one.what} requests and ${other.what} requests ` +
          `at the same address and port ${one.host}:${one.port}`
        );
      }
    }
  }
  return undefined;
}

/** Address of the metrics port: the HTTP port's unless it was given. */
export function metricsHost(options: ServerOptions): string {
  return options.metricsAddress === '' ? options.httpAddress : options.metricsAddress;
}

const ANY_ADDRESS = new Set(['0.0.0.0', '::', '[::]', '']);

function addressesOverlap(a: string, b: string): boolean {
  return a === b || ANY_ADDRESS.has(a) || ANY_ADDRESS.has(b);
}

function findFlag(flags: readonly Flag[], given: string): Flag | string {
  const exact = flags.find((flag) => flag.name === given);
  if (exact !== undefined) return exact;
  const refused = refusedTritonFlags.get(given);
  if (refused !== undefined) return `option '--${given}' is not supported: ${refused}`;
  const matches = given === '' ? [] : flags.filter((flag) => flag.name.startsWith(given));
  const [only, second] = matches;
  if (only === undefined) return `unrecognized option '--${given}'`;
  if (second === undefined) return only;
  const names = matches.map((flag) => `'--${flag.name}'`).join(' ');
  return `option '--${given}' is ambiguous; possibilities: ${names}`;
}

function failure(message: string): ParsedOptions {
  return { kind: 'error', message };
}

function draftOf(program: Program): OptionsDraft {
  const draft: OptionsDraft = {
    program,
    id: '',
    exitTimeoutSecs: 0,
    logVerbose: 0,
    logInfo: true,
    logWarning: true,
    logError: true,
    logFormat: 'default',
    modelRepositories: [],
    exitOnError: true,
    autoCompleteConfig: true,
    strictReadiness: true,
    modelControlMode: 'none',
    loadModels: [],
    modelLoadThreadCount: 0,
    allowHttp: true,
    httpAddress: '',
    httpPort: 0,
    reuseHttpPort: false,
    httpMaxInputBytes: 0,
    allowGrpc: true,
    grpcAddress: '',
    grpcPort: 0,
    reuseGrpcPort: false,
    allowMetrics: true,
    metricsAddress: '',
    metricsPort: 0,
    backendConfig: [],
    singleProtocolPorts: true,
    jsonHealthBodies: false,
    maxQueueSize: 0,
    queueFullStatus: 'Unavailable',
    memoryLimitBytes: 0,
    ioThreads: 0,
    inferPath: 'native',
    inlineExecution: 'auto',
    enableTestBackends: false,
    onnxRuntimeLibrary: '',
    setup: 'never',
  };
  for (const flag of serverFlags) {
    const initial = flag.defaults?.[program];
    if (initial !== undefined && initial !== '') flag.set(draft, initial);
  }
  return draft;
}
