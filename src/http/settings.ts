// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { invalidArgument, unimplemented } from '../base/status.ts';
import { LOG_FILE_FIXED, type LogChanges } from '../control/log-settings.ts';
import {
  readCount,
  readLevels,
  readLogFrequency,
  readRate,
  TRACE_FILE_FIXED,
  type TraceView,
} from '../control/trace.ts';
import type { TraceChanges } from '../trace/settings.ts';

type Body = Readonly<Record<string, unknown>>;

/**
 * The body of `POST /v2/logging`; null leaves a setting as it is.
 * @throws ServeError InvalidArgument or Unimplemented in Triton's words
 */
export function readLogChanges(body: Body): LogChanges {
  const changes: { -readonly [K in keyof LogChanges]: LogChanges[K] } = {};
  for (const [key, value] of Object.entries(body)) {
    if (key === 'log_file') throw unimplemented(LOG_FILE_FIXED);
    if (value === null && LOG_KEYS.has(key)) continue;
    if (key === 'log_info') changes.info = asBoolean(value);
    else if (key === 'log_warning') changes.warning = asBoolean(value);
    else if (key === 'log_error') changes.error = asBoolean(value);
    else if (key === 'log_verbose_level') changes.verboseLevel = asLevel(value);
    else if (key === 'log_format') changes.format = asFormat(value);
    else throw unknownSetting(key, LOG_KEYS);
  }
  return changes;
}

/**
 * The body of `POST …/trace/setting`; null takes a value back.
 * @param now settings in force: what a client sends back unchanged is no change
 * @throws ServeError InvalidArgument or Unimplemented in Triton's words
 */
export function readTraceChanges(body: Body, now: Pick<TraceView, 'trace_mode'>): TraceChanges {
  const changes: { -readonly [K in keyof TraceChanges]: TraceChanges[K] } = {};
  for (const [key, value] of Object.entries(body)) {
    if (key === 'trace_file') throw unimplemented(TRACE_FILE_FIXED);
    if (key === 'trace_level') {
      changes.levels = value === null ? null : readLevels(asTexts(value));
    } else if (key === 'trace_rate') {
      changes.rate = value === null ? null : readRate(asText(value));
    } else if (key === 'trace_count') {
      changes.count = value === null ? null : readCount(asText(value), '');
    } else if (key === 'log_frequency') {
      changes.logFrequency = value === null ? null : readLogFrequency(asText(value));
    } else if (key !== 'trace_mode' || value !== now.trace_mode) {
      throw unknownSetting(key, TRACE_KEYS);
    }
  }
  return changes;
}

const LOG_KEYS = new Set([
  'log_info',
  'log_warning',
  'log_error',
  'log_verbose_level',
  'log_format',
]);
const TRACE_KEYS = new Set(['trace_level', 'trace_rate', 'trace_count', 'log_frequency']);

const UINT32_MAX = 4_294_967_295;

function asBoolean(value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw invalidArgument('attempt to access JSON non-boolean as boolean');
}

function asText(value: unknown): string {
  if (typeof value === 'string') return value;
  throw invalidArgument('attempt to access JSON non-string as string');
}

function asTexts(value: unknown): string[] {
  if (!Array.isArray(value)) throw invalidArgument('attempt to access JSON non-array as array');
  return value.map(asText);
}

function asLevel(value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= UINT32_MAX) {
    return value;
  }
  throw invalidArgument('attempt to access JSON non-unsigned-integer as unsigned-integer');
}

function asFormat(value: unknown): 'default' | 'ISO8601' {
  const format = asText(value);
  if (format === 'default' || format === 'ISO8601') return format;
  throw invalidArgument(`invalid argument for --log_format, got: ${format}`);
}

function unknownSetting(key: string, known: ReadonlySet<string>): Error {
  return invalidArgument(`unknown setting '${key}', expected ${[...known].join(', ')}`);
}
