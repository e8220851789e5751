// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { invalidArgument } from '../base/status.ts';

/**
 * Like JSON.stringify, but a `bigint` is printed as the number it is: statistics pass 2^53. Fields that are
 * undefined are left out.
 */
export function writeJson(value: unknown): string {
  if (typeof value === 'bigint') return value.toString();
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(writeJson).join(',')}]`;
  const fields: string[] = [];
  for (const [key, field] of Object.entries(value)) {
    if (field !== undefined) fields.push(`${JSON.stringify(key)}:${writeJson(field)}`);
  }
  return `{${fields.join(',')}}`;
}

/**
 * Reads a body whose numbers count to the last digit: whole ones without a sign become `bigint`.
 * @throws ServeError InvalidArgument
 */
export function readExactJson(body: Uint8Array): unknown {
  if (body.length === 0) {
    throw invalidArgument('failed to parse the request JSON buffer: The document is empty. at 0');
  }
  return parse(body, (_, value, context) => {
    const source = typeof value === 'number' ? context?.source : undefined;
    return source !== undefined && /^\d+$/.test(source) ? BigInt(source) : value;
  });
}

/** With the text of the value, which JSON.parse passes and its declaration does not name. */
type Reviver = (key: string, value: unknown, context?: { source?: string }) => unknown;

function parse(body: Uint8Array, reviver?: Reviver): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body), reviver);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw invalidArgument(`failed to parse the request JSON buffer: ${reason}`);
  }
}

/**
 * Reads the body of a control request: an object, or nothing at all unless one is required.
 * @throws ServeError InvalidArgument
 */
export function readJsonObject(
  body: Uint8Array,
  presence: 'optional' | 'required' = 'optional',
): Record<string, unknown> {
  if (body.length === 0 && presence === 'optional') return {};
  const value = parse(body);
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw invalidArgument('failed to parse the request JSON buffer: expected an object');
  }
  return value as Record<string, unknown>;
}
