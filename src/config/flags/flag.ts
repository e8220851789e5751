// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/** The name the program was started by; it chooses the defaults. */
export type Program = 'tritonserver' | 'nereid';

/** Why a value is refused; becomes the second line under `Bad option: "--<flag>".` */
export class FlagError extends Error {}

export type FlagGroup =
  | 'Server'
  | 'Logging'
  | 'Model repository'
  | 'HTTP'
  | 'GRPC'
  | 'Metrics'
  | 'Backend'
  | 'Limits'
  | 'Execution'
  | 'Set-up';

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
  /** why a flag of Triton that is accepted changes nothing here */
  readonly withoutEffect?: string;
  /** @throws FlagError */
  set(draft: { -readonly [K in keyof Options]: Options[K] }, value: string): void;
}

export const INT32_MAX = 2_147_483_647;

export function integer(value: string, min: number, max: number): number {
  if (!/^[+-]?\d+$/.test(value)) throw new FlagError(`Invalid option value. Got ${value}`);
  const number = Number(value);
  if (!Number.isSafeInteger(number) || Math.abs(number) > Math.max(INT32_MAX, max)) {
    throw new FlagError(`Provided option value is out of bound. Got ${value}`);
  }
  if (number < min || number > max) {
    throw new FlagError(`Expected a value from ${min} to ${max}. Got ${value}`);
  }
  return number;
}

export function decimal(value: string, above: number): number {
  const number = Number(value);
  if (value.trim() === '' || !Number.isFinite(number)) {
    throw new FlagError(`Invalid option value. Got ${value}`);
  }
  if (number <= above) throw new FlagError(`Expected a value above ${above}. Got ${value}`);
  return number;
}

export function bool(value: string): boolean {
  const word = value.toLowerCase();
  if (word === 'true' || word === 'on' || word === '1') return true;
  if (word === 'false' || word === 'off' || word === '0') return false;
  throw new FlagError(`invalid value for bool option: ${value}`);
}

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

export function ignored(
  name: string,
  group: FlagGroup,
  value: string,
  withoutEffect: string,
): Flag<object> {
  return { name, group, value, help: `Accepted for Triton's sake.`, withoutEffect, set: ignore };
}

export const OWN_THREADS = '--io-threads sets the number of network threads';
