// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { refusedTritonFlags, serverFlags } from './flag-table.ts';
import { type BackendOptions, emptyBackendOptions } from './flags/backend.ts';
import { type ExecutionOptions, emptyExecutionOptions } from './flags/execution.ts';
import { type Flag, FlagError, OPTIONAL_BOOLEAN, type Program } from './flags/flag.ts';
import { emptyGrpcOptions, type GrpcOptions } from './flags/grpc.ts';
import { emptyHttpOptions, type HttpOptions } from './flags/http.ts';
import { emptyLimitsOptions, type LimitsOptions } from './flags/limits.ts';
import { emptyLoggingOptions, type LoggingOptions } from './flags/logging.ts';
import { emptyMetricsOptions, type MetricsOptions } from './flags/metrics.ts';
import { emptyProcessOptions, type ProcessOptions } from './flags/process.ts';
import { emptyRepositoryOptions, type RepositoryOptions } from './flags/repository.ts';
import { emptySetupOptions, type SetupOptions } from './flags/setup.ts';

export type { BackendSetting } from './flags/backend.ts';
export type { Program } from './flags/flag.ts';

/** Everything the flags say. Defaults are those of the program's name: see docs/flags.md. */
export interface ServerOptions
  extends ProcessOptions,
    LoggingOptions,
    RepositoryOptions,
    HttpOptions,
    GrpcOptions,
    MetricsOptions,
    BackendOptions,
    LimitsOptions,
    ExecutionOptions,
    SetupOptions {
  readonly program: Program;
}

/** While flags are read. */
type OptionsDraft = { -readonly [K in keyof ServerOptions]: ServerOptions[K] };

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

function findFlag(
  flags: readonly Flag<ServerOptions>[],
  given: string,
): Flag<ServerOptions> | string {
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
    ...emptyProcessOptions,
    ...emptyLoggingOptions,
    ...emptyRepositoryOptions,
    ...emptyHttpOptions,
    ...emptyGrpcOptions,
    ...emptyMetricsOptions,
    ...emptyBackendOptions,
    ...emptyLimitsOptions,
    ...emptyExecutionOptions,
    ...emptySetupOptions,
  };
  for (const flag of serverFlags) {
    const initial = flag.defaults?.[program];
    if (initial !== undefined && initial !== '') flag.set(draft, initial);
  }
  return draft;
}
