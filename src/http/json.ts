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
 * Reads the body of a control request: an object, or nothing at all unless one is required.
 * @throws ServeError InvalidArgument
 */
export function readJsonObject(
  body: Uint8Array,
  presence: 'optional' | 'required' = 'optional',
): Record<string, unknown> {
  if (body.length === 0 && presence === 'optional') return {};
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw invalidArgument(`failed to parse the request JSON buffer: ${reason}`);
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw invalidArgument('failed to parse the request JSON buffer: expected an object');
  }
  return value as Record<string, unknown>;
}
