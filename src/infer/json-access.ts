// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { invalidArgument, type ServeError } from '../base/status.ts';
import type { JsonObject, JsonValue } from './json-reader.ts';

/** An error in the words of the JSON library behind Triton. */
export const unable = (
  member: string,
  wrong: string,
  verb: 'parse' | 'set' = 'parse',
): ServeError => invalidArgument(`Unable to ${verb} '${member}': attempt to access ${wrong}`);

export const isObject = (value: JsonValue | undefined): value is JsonObject => value instanceof Map;

export const isList = (value: JsonValue | undefined): value is readonly JsonValue[] =>
  Array.isArray(value);

export const isUnsigned = (value: JsonValue | undefined): value is bigint =>
  typeof value === 'bigint' && value >= 0n;

/** A member that must be there. */
export function memberOf(object: JsonObject, name: string): JsonValue {
  const value = object.get(name);
  if (value === undefined) throw unable(name, `non-existing object member '${name}'`);
  return value;
}

export function asString(value: JsonValue, name: string): string {
  if (typeof value !== 'string') throw unable(name, 'JSON non-string as string');
  return value;
}

export function asList(value: JsonValue, name: string): readonly JsonValue[] {
  if (!isList(value)) throw unable(name, 'JSON non-array as array');
  return value;
}

export function asBoolean(value: JsonValue, name: string): boolean {
  if (typeof value !== 'boolean') throw unable(name, 'JSON non-boolean as boolean');
  return value;
}

export function asUnsigned(value: JsonValue, name: string, verb?: 'parse' | 'set'): bigint {
  if (!isUnsigned(value)) {
    throw unable(name, 'JSON non-unsigned-integer as unsigned-integer', verb);
  }
  return value;
}
