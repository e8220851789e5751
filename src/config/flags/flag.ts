// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/** The name the program was started by; it chooses the defaults. */
export type Program = 'tritonserver' | 'nereid';

/** Why a value is refused; becomes the second line under `Bad option: "--<flag>".` */
export class FlagError extends Error {
  /** what stands for the flag in the first line, where that is not its name alone */
  readonly flag: string | undefined;

  constructor(message: string, flag?: string) {
    super(message);
    this.flag = flag;
  }
}

/** A value that can be read and not be followed: Triton prints it without its usage. */
export class BuildError extends FlagError {}

export type FlagGroup =
  | 'Server'
  | 'Logging'
  | 'Model repository'
  | 'HTTP'
  | 'GRPC'
  | 'SageMaker'
  | 'Vertex AI'
  | 'Access'
  | 'Metrics'
  | 'Tracing'
  | 'Backend'
  | 'Response cache'
  | 'Rate limiter'
  | 'Memory and devices'
  | 'Limits'
  | 'Execution'
  | 'Set-up'
  | 'Deprecated';

/** `--flag`, `--flag=value` or `--flag value`; the flag alone means true. Our own switches only: Triton has none. */
export const OPTIONAL_BOOLEAN = '[boolean]';

/** One row of the table that drives parsing, `--help` and docs/flags.md; it sets fields of `Options`. */
export interface Flag<Options> {
  readonly name: string;
  readonly group: FlagGroup;
  /** how `--help` writes the value; empty for a flag without one, `[boolean]` for one that alone means true */
  readonly value: string;
  readonly help: string;
  /** as one would write them on the command line; absent = no default */
  readonly defaults?: Readonly<Record<Program, string>>;
  readonly repeats?: boolean;
  /** the one program that has the flag */
  readonly only?: Program;
  /** why a flag of Triton that is accepted changes nothing here; said once at start unless it asks for the default */
  readonly withoutEffect?: string;
  /** what Triton writes to stderr when the flag is used: it names the flag that took its place */
  readonly deprecated?: (value: string) => string;
  /** @throws FlagError */
  set(draft: { -readonly [K in keyof Options]: Options[K] }, value: string): void;
}

export const INT32_MAX = 2_147_483_647;

/**
 * A whole number as `strtol` reads it, which is how Triton does: blanks before it and text behind it are passed over.
 * @throws FlagError when there is none, when it is beyond 32 bits and `max`, or out of range
 */
export function integer(value: string, min: number, max: number): number {
  const digits = /^\s*([+-]?\d+)/.exec(value)?.[1];
  if (digits === undefined) throw new FlagError(`Invalid option value. Got ${value}`);
  const number = Number(digits);
  if (!Number.isSafeInteger(number) || Math.abs(number) > Math.max(INT32_MAX, max)) {
    throw new FlagError(`Provided option value is out of bound. Got ${value}`);
  }
  if (number < min || number > max) {
    throw new FlagError(`Expected a value from ${min} to ${max}. Got ${value}`);
  }
  return number;
}

/** Any whole number of 32 bits. */
export const int32 = (value: string): number => integer(value, -INT32_MAX - 1, INT32_MAX);

/** Bytes, or another count beyond 32 bits. */
export const size = (value: string): number => integer(value, 0, Number.MAX_SAFE_INTEGER);

/** A number as `strtod` reads it. */
export function decimal(value: string): number {
  const number = Number.parseFloat(value);
  if (Number.isNaN(number)) throw new FlagError(`Invalid option value. Got ${value}`);
  return number;
}

/** `<first><delimiter><second>`, split at the first delimiter. */
export function pair(value: string, delimiter: string): [string, string] {
  const at = value.indexOf(delimiter);
  if (at < 0) {
    throw new FlagError(
      'Cannot parse pair option due to incorrect number of inputs.' +
        `--<pair option> argument requires format <first>${delimiter}<second>. Found: ${value}`,
    );
  }
  return [value.slice(0, at), value.slice(at + delimiter.length)];
}

/** One setting of a policy, a cache, a backend. */
export interface NamedSetting {
  readonly name: string;
  readonly key: string;
  readonly value: string;
}

/**
 * `<name><first><key>=<value>`, no part empty.
 * @param what as Triton's sentence calls the name
 */
export function namedSetting(
  flag: string,
  value: string,
  first: ',' | ':',
  what: string,
): NamedSetting {
  const colon = value.indexOf(first);
  const equals = value.indexOf('=', colon + 1);
  const name = value.slice(0, Math.max(colon, 0));
  const key = value.slice(colon + 1, Math.max(equals, colon + 1));
  const setting = value.slice(equals + 1);
  if (colon < 0 || equals < 0 || name === '' || key === '' || setting === '') {
    throw new FlagError(
      `--${flag} option format is '<${what}>${first}<setting>=<value>'. Got ${value}`,
    );
  }
  return { name, key, value: setting };
}

export function bool(value: string): boolean {
  const word = value.toLowerCase();
  if (word === 'true' || word === 'on' || word === '1') return true;
  if (word === 'false' || word === 'off' || word === '0') return false;
  throw new FlagError(`invalid value for bool option: ${value}`);
}

/** A word of Triton's, in any case. */
export function tritonWord<T extends string>(
  flag: string,
  value: string,
  choices: readonly T[],
): T {
  const found = choices.find((choice) => choice === value.toLowerCase());
  if (found === undefined) throw new FlagError(`invalid argument for --${flag}`);
  return found;
}

/** A word of our own. */
export function oneOf<T extends string>(flag: string, value: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) {
    throw new FlagError(
      `invalid argument for --${flag}: expected ${choices.join(', ')}. Got ${value}`,
    );
  }
  return found;
}

export function notEmpty(value: string): string {
  if (value === '') throw new FlagError('Expected a value. Got an empty one');
  return value;
}

/** An address to bind. Triton writes IPv6 as `ipv6:[::1]`; plain and bracketed forms are taken too. */
export function address(value: string): string {
  const plain = notEmpty(value).replace(/^ipv[46]:/, '');
  return plain.startsWith('[') && plain.endsWith(']') ? plain.slice(1, -1) : plain;
}

export const port = (value: string): number => integer(value, 0, 65_535);
export const both = (value: string): Record<Program, string> => ({
  tritonserver: value,
  nereid: value,
});
export const ignore = (): void => undefined;

/** A flag of Triton that sets nothing here; its value is checked all the same. */
export function ignored(
  name: string,
  group: FlagGroup,
  value: string,
  withoutEffect: string,
  check: (value: string) => unknown = ignore,
): Flag<object> {
  return {
    name,
    group,
    value,
    help: `Accepted for Triton's sake.`,
    withoutEffect,
    set: (_, given) => {
      check(given);
    },
  };
}

export const OWN_THREADS = '--io-threads sets the number of network threads';
