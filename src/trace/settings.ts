// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/** What is recorded of a traced request: moments, copies of its tensors. */
export type TraceLevel = 'TIMESTAMPS' | 'TENSORS';

/** Which requests are traced, and how. */
export interface TraceSettings {
  /** none = off */
  readonly levels: readonly TraceLevel[];
  /** every rate-th request; at least 1 */
  readonly rate: number;
  /** requests still to be traced; -1 = without end */
  readonly count: number;
  /** traces in one numbered file; 0 = all in one file */
  readonly logFrequency: number;
}

/** New values; null takes a value back to what holds without it, a field that is absent stays. */
export type TraceChanges = { readonly [K in keyof TraceSettings]?: TraceSettings[K] | null };

/** Values of one scope that differ from the scope above. */
export type TraceOverrides = { readonly [K in keyof TraceSettings]?: TraceSettings[K] };

/** The overrides after a change. */
export function applyChanges(before: TraceOverrides, changes: TraceChanges): TraceOverrides {
  const after: Record<string, unknown> = { ...before };
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) delete after[key];
    else if (value !== undefined) after[key] = value;
  }
  return after as TraceOverrides;
}
