// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { invalidArgument } from '../base/status.ts';
import type { ModelLifecycle } from '../lifecycle/lifecycle.ts';
import type { TraceChanges, TraceLevel } from '../trace/settings.ts';
import type { Tracer } from '../trace/tracer.ts';

export type TraceMode = 'triton' | 'opentelemetry';

/** Values of the trace extension by their names on the wire. Key order is Triton's. */
export interface TraceView {
  readonly trace_level: readonly string[];
  readonly trace_rate: string;
  /** what is left of it; -1 = without end */
  readonly trace_count: string;
  readonly log_frequency: string;
  readonly trace_file: string;
  readonly trace_mode: TraceMode;
}

/** Sentence for a client that wants to move the trace file. */
export const TRACE_FILE_FIXED = 'trace file location can not be updated through network protocol';

/** The trace extension. A model is empty for the settings of the server. */
export class TraceVerbs {
  readonly #tracer: Pick<Tracer, 'settings' | 'update'>;
  readonly #lifecycle: Pick<ModelLifecycle, 'served'>;
  readonly #fixed: { readonly file: string; readonly mode: TraceMode };

  constructor(
    tracer: Pick<Tracer, 'settings' | 'update'>,
    lifecycle: Pick<ModelLifecycle, 'served'>,
    fixed: { readonly file: string; readonly mode: TraceMode },
  ) {
    this.#tracer = tracer;
    this.#lifecycle = lifecycle;
    this.#fixed = fixed;
  }

  /** @throws ServeError InvalidArgument for a model that does not serve */
  read(model: string): TraceView {
    this.#check(model);
    const settings = this.#tracer.settings(model === '' ? undefined : model);
    return {
      trace_level: settings.levels.length === 0 ? ['OFF'] : settings.levels,
      trace_rate: String(settings.rate),
      trace_count: String(settings.count),
      log_frequency: String(settings.logFrequency),
      trace_file: this.#fixed.file,
      trace_mode: this.#fixed.mode,
    };
  }

  /** @throws ServeError InvalidArgument in Triton's words */
  async update(model: string, changes: TraceChanges): Promise<void> {
    this.#check(model);
    await this.#tracer.update(model === '' ? undefined : model, changes);
  }

  #check(model: string): void {
    if (model !== '' && this.#lifecycle.served(model).length === 0) {
      throw invalidArgument(`Request for unknown model : ${model}`);
    }
  }
}

/**
 * Reads `trace_level`. `MIN` and `MAX` are Triton's old words for timestamps.
 * @throws ServeError InvalidArgument
 */
export function readLevels(words: readonly string[]): TraceLevel[] {
  const levels: TraceLevel[] = [];
  for (const word of words) {
    if (word === 'OFF') {
      if (words.length > 1) throw invalidArgument("Expect only one trace level 'OFF' is specified");
    } else if (word === 'TIMESTAMPS' || word === 'MIN' || word === 'MAX') {
      levels.push('TIMESTAMPS');
    } else if (word === 'TENSORS') {
      levels.push('TENSORS');
    } else {
      throw invalidArgument(
        `Unable to parse 'trace_level', expected OFF, TIMESTAMPS or TENSORS, got: ${word}`,
      );
    }
  }
  return [...new Set(levels)];
}

const UINT32_MAX = 4_294_967_295;

/** Reads `trace_rate`. @throws ServeError InvalidArgument */
export function readRate(text: string): number {
  const rate = readWhole('trace_rate', text);
  if (rate === 0) {
    throw invalidArgument('Attempting to set invalid trace setting :sample rate must be non-zero');
  }
  return rate;
}

/** Reads `log_frequency`. @throws ServeError InvalidArgument */
export const readLogFrequency = (text: string): number => readWhole('log_frequency', text);

/** Reads `trace_count`. @param blank Triton's HTTP and gRPC texts differ in it */
export function readCount(text: string, blank: '' | ' '): number {
  if (!/^-?\d+$/.test(text)) throw invalidArgument(`Unable to parse 'trace_count', got: ${text}`);
  const count = Number(text);
  if (count < -1) {
    throw invalidArgument(
      `Unable to parse 'trace_count'. Expecting value >= -1, got:${blank}${text}`,
    );
  }
  return inRange('trace_count', text, count);
}

function readWhole(setting: string, text: string): number {
  if (!/^\d+$/.test(text)) throw invalidArgument(`Unable to parse '${setting}', got: ${text}`);
  return inRange(setting, text, Number(text));
}

function inRange(setting: string, text: string, number: number): number {
  if (number <= UINT32_MAX) return number;
  throw invalidArgument(
    `Unable to parse '${setting}', value is out of range [ 0, ${UINT32_MAX} ], got: ${text}`,
  );
}
