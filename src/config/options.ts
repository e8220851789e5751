// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { findConflict } from './conflicts.ts';
import {
  applyEnvironment,
  applyStorage,
  type Environment,
  findWrongVariable,
} from './environment.ts';
import { serverFlags } from './flag-table.ts';
import { BuildError, type Flag, FlagError, OPTIONAL_BOOLEAN, type Program } from './flags/flag.ts';
import { finishTrace } from './flags/trace.ts';

import { emptyOptions, type OptionsDraft, type ServerOptions } from './server-options.ts';

export { metricsHost } from './conflicts.ts';
export type { BackendSetting } from './flags/backend.ts';
export type { Program } from './flags/flag.ts';

/** What a command line asks for. */
export type ParsedOptions =
  | {
      readonly kind: 'options';
      readonly options: ServerOptions;
      /** flags that have no effect, a sentence each */
      readonly notes: readonly string[];
      /** lines of Triton about deprecated flags, for stderr */
      readonly warnings: readonly string[];
    }
  | { readonly kind: 'help' }
  | {
      readonly kind: 'error';
      readonly message: string;
      readonly warnings: readonly string[];
      /** it is to be printed after the usage, as Triton does */
      readonly usage: boolean;
    };

/** The options a program has without any flag. */
export function defaultOptions(program: Program): ServerOptions {
  return draftOf(program);
}

/**
 * Reads a command line by GNU's rules: `--flag=value` or `--flag value`, a unique beginning of a name will do, words
 * that are no flag count after all flags, and so does everything behind `--`.
 * @param argv arguments without the program's name
 * @param env the environment; left out, nothing is taken from it
 */
export function parseOptions(
  program: Program,
  argv: readonly string[],
  env: Environment = {},
): ParsedOptions {
  const reader = new CommandLine(program, argv, env);
  try {
    return reader.read();
  } catch (error) {
    if (!(error instanceof FlagError)) throw error;
    const { warnings, flag } = reader;
    const usage = !(error instanceof BuildError);
    const name = error.flag ?? flag;
    const head = usage && name !== undefined ? `Bad option: "--${name}".\n` : '';
    const message = `${head}${error.message}`;
    return { kind: 'error', message, warnings, usage };
  }
}

/** One reading of one command line. */
class CommandLine {
  readonly warnings: string[] = [];
  /** the flag whose value is looked at; undefined between flags */
  flag: string | undefined;
  readonly #program: Program;
  readonly #argv: readonly string[];
  readonly #env: Environment;
  readonly #flags: readonly Flag<ServerOptions>[];
  readonly #draft: OptionsDraft;
  readonly #notes = new Set<string>();

  constructor(program: Program, argv: readonly string[], env: Environment) {
    this.#program = program;
    this.#argv = argv;
    this.#env = env;
    this.#flags = serverFlags.filter((flag) => flag.only === undefined || flag.only === program);
    this.#draft = draftOf(program);
  }

  /** @throws FlagError */
  read(): ParsedOptions {
    applyEnvironment(this.#draft, this.#env);
    const strays: string[] = [];
    for (let i = 0; i < this.#argv.length; i++) {
      const word = this.#argv[i] ?? '';
      if (word === '--') {
        strays.push(...this.#argv.slice(i + 1));
        break;
      }
      if (!word.startsWith('-') || word === '-') {
        strays.push(word);
        continue;
      }
      if (!word.startsWith('--')) throw new FlagError(`invalid option -- '${word.charAt(1)}'`);
      const found = findFlag(this.#flags, word);
      if (found.name === 'help') return { kind: 'help' };
      const { value, next } = readValue(found, word, this.#argv, i);
      i = next;
      this.#set(found, value);
    }
    if (strays.length > 0) throw new FlagError(`Unexpected argument: ${strays[0]}`);
    return this.#finish();
  }

  #set(found: Flag<ServerOptions>, value: string): void {
    this.flag = found.name;
    if (found.deprecated !== undefined) this.warnings.push(found.deprecated(value));
    // Triton passes over what stands behind a number; here a slip of the finger shall not go unseen.
    if (this.#program === 'nereid' && found.value === '<integer>' && !/^[+-]?\d+$/.test(value)) {
      throw new FlagError(`Invalid option value. Got ${value}`);
    }
    found.set(this.#draft, value);
    this.flag = undefined;
    const asksForDefault = value === found.defaults?.[this.#program];
    if (found.withoutEffect !== undefined && !asksForDefault) {
      this.#notes.add(`--${found.name} is accepted and has no effect: ${found.withoutEffect}`);
    }
  }

  #finish(): ParsedOptions {
    const draft = this.#draft;
    if (draft.modelControlMode !== 'poll') draft.repositoryPollSecs = 0;
    applyStorage(draft, this.#env);
    draft.allowGpuMetrics &&= draft.allowMetrics;
    draft.allowCpuMetrics &&= draft.allowMetrics;
    this.warnings.push(...finishTrace(draft), ...finishStrictConfig(draft));
    const problem = findConflict(draft) ?? findWrongVariable(draft, this.#env);
    if (problem !== undefined) throw new FlagError(problem);
    if (draft.loadModels.includes('*') && draft.loadModels.length > 1) {
      throw new BuildError(
        "creating server: Invalid argument - Wildcard model name '*' must be the ONLY startup model if specified at all.",
      );
    }
    return { kind: 'options', options: draft, notes: [...this.#notes], warnings: this.warnings };
  }
}

function finishStrictConfig(draft: OptionsDraft): string[] {
  if (draft.strictModelConfig === undefined) return [];
  if (draft.autoCompleteConfig) {
    draft.autoCompleteConfig = !draft.strictModelConfig;
    return [];
  }
  if (draft.strictModelConfig) return [];
  return [
    "Warning: Overriding deprecated '--strict-model-config' from False to True in favor of '--disable-auto-complete-config'!",
  ];
}

/** The value of a flag, and the index of the last word it took. */
function readValue(
  flag: Flag<ServerOptions>,
  word: string,
  argv: readonly string[],
  at: number,
): { value: string; next: number } {
  const equals = word.indexOf('=');
  if (equals >= 0) {
    if (flag.value === '') throw new FlagError(`option '--${flag.name}' doesn't allow an argument`);
    return { value: word.slice(equals + 1), next: at };
  }
  if (flag.value === '') return { value: '', next: at };
  const following = argv[at + 1];
  if (flag.value === OPTIONAL_BOOLEAN) {
    const isValue = following !== undefined && /^(?:true|on|1|false|off|0)$/i.test(following);
    return isValue ? { value: following, next: at + 1 } : { value: 'true', next: at };
  }
  if (following === undefined) {
    throw new FlagError(`option '--${flag.name}' requires an argument`);
  }
  return { value: following, next: at + 1 };
}

/** @throws FlagError in getopt's words */
function findFlag(flags: readonly Flag<ServerOptions>[], word: string): Flag<ServerOptions> {
  const equals = word.indexOf('=');
  const given = word.slice(2, equals < 0 ? undefined : equals);
  const exact = flags.find((flag) => flag.name === given);
  if (exact !== undefined) return exact;
  const matches = given === '' ? [] : flags.filter((flag) => flag.name.startsWith(given));
  const [only, second] = matches;
  if (only === undefined) throw new FlagError(`unrecognized option '--${given}'`);
  if (second === undefined) return only;
  const names = matches.map((flag) => `'--${flag.name}'`).join(' ');
  throw new FlagError(`option '${word}' is ambiguous; possibilities: ${names}`);
}

function draftOf(program: Program): OptionsDraft {
  const draft = emptyOptions(program);
  for (const flag of serverFlags) {
    const initial = flag.defaults?.[program];
    if (initial !== undefined && initial !== '') flag.set(draft, initial);
  }
  return draft;
}
