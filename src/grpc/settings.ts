// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { invalidArgument, unimplemented } from '../base/status.ts';
import { LOG_FILE_FIXED, type LogChanges, type LogSettingsView } from '../control/log-settings.ts';
import {
  readCount,
  readLevels,
  readLogFrequency,
  readRate,
  TRACE_FILE_FIXED,
  type TraceView,
} from '../control/trace.ts';
import type { TraceChanges } from '../trace/settings.ts';

type Fields = Readonly<Record<string, unknown>>;

/** `settings` of LogSettingsRequest. @throws ServeError in Triton's words */
export function readLogChanges(settings: unknown): LogChanges {
  const changes: { -readonly [K in keyof LogChanges]: LogChanges[K] } = {};
  for (const [key, value] of entries(settings)) {
    if (key === 'log_file') throw unimplemented(LOG_FILE_FIXED);
    if (key === 'log_info') changes.info = asBoolean(key, value);
    else if (key === 'log_warning') changes.warning = asBoolean(key, value);
    else if (key === 'log_error') changes.error = asBoolean(key, value);
    else if (key === 'log_verbose_level') changes.verboseLevel = asLevel(key, value);
    else if (key === 'log_format') changes.format = asFormat(key, value);
    else throw unknownSetting(key);
  }
  return changes;
}

/** `settings` of LogSettingsResponse. */
export function logSettingsMap(view: LogSettingsView): Record<string, object> {
  const wrap = (value: string | boolean | number): object => {
    if (typeof value === 'string') return { string_param: value };
    return typeof value === 'boolean' ? { bool_param: value } : { uint32_param: value };
  };
  return Object.fromEntries(Object.entries(view).map(([key, value]) => [key, wrap(value)]));
}

/** `settings` of TraceSettingRequest; an empty list takes a value back. @throws ServeError in Triton's words */
export function readTraceChanges(settings: unknown, now: TraceView): TraceChanges {
  const changes: { -readonly [K in keyof TraceChanges]: TraceChanges[K] } = {};
  for (const [key, { value }] of entries(settings)) {
    const words = Array.isArray(value) ? value.map(String) : [];
    if (key === 'trace_file') throw unimplemented(TRACE_FILE_FIXED);
    if (key === 'trace_level') changes.levels = words.length === 0 ? null : readLevels(words);
    else if (key === 'trace_rate') changes.rate = one(key, words, readRate);
    else if (key === 'trace_count') changes.count = one(key, words, (text) => readCount(text, ' '));
    else if (key === 'log_frequency') changes.logFrequency = one(key, words, readLogFrequency);
    else if (key !== 'trace_mode' || words[0] !== now.trace_mode) throw unknownSetting(key);
  }
  return changes;
}

/** `settings` of TraceSettingResponse. */
export function traceSettingsMap(view: TraceView): Record<string, object> {
  return Object.fromEntries(
    Object.entries(view).map(([key, value]) => [
      key,
      { value: Array.isArray(value) ? value : [value] },
    ]),
  );
}

function one(key: string, words: readonly string[], read: (text: string) => number): number | null {
  const [first, second] = words;
  if (second !== undefined) throw invalidArgument(`expect only 1 value for '${key}'`);
  return first === undefined ? null : read(first);
}

function entries(settings: unknown): [string, Fields][] {
  if (typeof settings !== 'object' || settings === null) return [];
  return Object.entries(settings) as [string, Fields][];
}

function asBoolean(key: string, value: Fields): boolean {
  if (value.parameter_choice === 'bool_param') return value.bool_param === true;
  throw invalidArgument(`expect boolean for '${key}'`);
}

function asLevel(key: string, value: Fields): number {
  if (value.parameter_choice === 'uint32_param') return Number(value.uint32_param);
  throw invalidArgument(`expect int32 for '${key}'`);
}

function asFormat(key: string, value: Fields): 'default' | 'ISO8601' {
  if (value.parameter_choice !== 'string_param')
    throw invalidArgument(`expect string for '${key}'`);
  const format = String(value.string_param);
  if (format === 'default' || format === 'ISO8601') return format;
  throw invalidArgument(`invalid argument for log_format, got: ${format}`);
}

function unknownSetting(key: string): Error {
  return invalidArgument(`unknown setting '${key}'`);
}
