// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { TraceSampler } from '../addon/tracing.ts';
import type { Engine } from '../addon/types.ts';
import { invalidArgument } from '../base/status.ts';
import {
  applyChanges,
  type TraceChanges,
  type TraceOverrides,
  type TraceSettings,
} from './settings.ts';
import type { TraceSink } from './sink.ts';

export interface TracerOptions {
  readonly engine: Pick<Engine, 'setTracing' | 'traceCounts' | 'takeTraces'>;
  /** undefined: there is nowhere to write to, so nothing can be traced */
  readonly sink: TraceSink | undefined;
  /** settings of the start, to which `null` leads back */
  readonly initial: TraceSettings;
  /** requests with a W3C trace context are traced whatever the rate */
  readonly takesContext: boolean;
}

/** One scope: the server, or a model with settings of its own. */
interface Scope {
  overrides: TraceOverrides;
  settings: TraceSettings;
  sampler: number;
}

const POLL_MS = 250;

/** Steers which requests native traces, and carries their records to a sink. */
export class Tracer {
  readonly #options: TracerOptions;
  readonly #global: Scope;
  readonly #models = new Map<string, Scope>();
  /** of every sampler that may still have records on their way */
  readonly #logFrequencies = new Map<number, number>();
  #nextSampler = 1;
  #timer: NodeJS.Timeout | undefined;
  #isOn = false;
  #changing: Promise<void> = Promise.resolve();

  constructor(options: TracerOptions) {
    this.#options = options;
    this.#global = this.#newScope({}, options.initial);
  }

  /** Puts the settings of the start in force. */
  async start(): Promise<void> {
    if (this.#global.settings.levels.length > 0) await this.#publish();
  }

  /** Settings in force for a model, or without one for the server; `count` is what is left of it. */
  settings(model?: string): TraceSettings {
    const scope = (model === undefined ? undefined : this.#models.get(model)) ?? this.#global;
    return { ...scope.settings, count: this.#remaining(scope) };
  }

  /**
   * Changes the settings of the server or of a model; one change at a time.
   * @throws ServeError InvalidArgument when there is no file to trace to
   */
  update(model: string | undefined, changes: TraceChanges): Promise<void> {
    const change = this.#changing.then(() => this.#update(model, changes));
    this.#changing = change.catch(() => undefined);
    return change;
  }

  /** A model that is gone takes its settings with it. */
  forget(model: string): void {
    this.#models.delete(model);
  }

  /** Writes what has come; resolves when it is in the files. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#drain();
    await this.#options.sink?.flush();
  }

  async #update(model: string | undefined, changes: TraceChanges): Promise<void> {
    if ((changes.levels ?? []).length > 0 && this.#options.sink === undefined) {
      throw invalidArgument(
        'Attempting to set invalid trace setting :trace file name is not given',
      );
    }
    if (Object.keys(changes).length === 0) return;
    // What was traced under the old settings is written under them.
    await this.close();
    const above = model === undefined ? this.#options.initial : this.#global.settings;
    const before = model === undefined ? this.#global : this.#models.get(model);
    const overrides = applyChanges(
      before === undefined ? {} : kept(before, this.#remaining(before)),
      changes,
    );
    if (model === undefined) {
      this.#change(this.#global, overrides, above);
      for (const scope of this.#models.values()) {
        this.#change(scope, scope.overrides, this.#global.settings);
      }
    } else if (before !== undefined) {
      this.#change(before, overrides, above);
    } else {
      this.#models.set(model, this.#newScope(overrides, above));
    }
    await this.#publish();
  }

  #newScope(overrides: TraceOverrides, above: TraceSettings): Scope {
    const scope = { overrides, settings: { ...above, ...overrides }, sampler: this.#nextSampler++ };
    this.#logFrequencies.set(scope.sampler, scope.settings.logFrequency);
    return scope;
  }

  #change(scope: Scope, overrides: TraceOverrides, above: TraceSettings): void {
    Object.assign(scope, this.#newScope(overrides, above));
  }

  async #publish(): Promise<void> {
    const scopes = [this.#global, ...this.#models.values()];
    this.#isOn = scopes.some((scope) => scope.settings.levels.length > 0);
    await this.#options.engine.setTracing(
      this.#isOn
        ? {
            global: sampler(this.#global),
            models: [...this.#models].map(([name, scope]) => ({ name, sampler: sampler(scope) })),
            takesContext: this.#options.takesContext,
          }
        : undefined,
    );
    if (this.#isOn && this.#timer === undefined) {
      this.#timer = setInterval(() => this.#drain(), POLL_MS);
      this.#timer.unref();
    }
  }

  #drain(): void {
    const { sink, engine } = this.#options;
    if (sink === undefined) return;
    const records = engine.takeTraces();
    for (let start = 0; start < records.length; ) {
      const of = records[start]?.sampler;
      let end = start + 1;
      while (records[end]?.sampler === of) end++;
      sink.add(records.slice(start, end), this.#logFrequencies.get(of ?? 0) ?? 0);
      start = end;
    }
  }

  #remaining(scope: Scope): number {
    const counted = this.#isOn
      ? this.#options.engine.traceCounts().find(({ id }) => id === scope.sampler)
      : undefined;
    return counted?.remaining ?? scope.settings.count;
  }
}

// Of a count that is under way, the rest.
function kept(scope: Scope, remaining: number): TraceOverrides {
  return remaining === scope.settings.count
    ? scope.overrides
    : { ...scope.overrides, count: remaining };
}

function sampler({ sampler: id, settings }: Scope): TraceSampler {
  return {
    id,
    timestamps: settings.levels.includes('TIMESTAMPS'),
    tensors: settings.levels.includes('TENSORS'),
    rate: settings.rate,
    count: settings.count,
  };
}
