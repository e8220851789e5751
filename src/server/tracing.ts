// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { TraceRecord } from '../addon/tracing.ts';
import type { Engine } from '../addon/types.ts';
import type { Log } from '../base/log.ts';
import { invalidArgument } from '../base/status.ts';
import type { ServerOptions } from '../config/server-options.ts';
import type { OpenTelemetryOptions, OpenTelemetrySink } from '../trace/opentelemetry.ts';
import type { TraceSettings } from '../trace/settings.ts';
import type { TraceSink } from '../trace/sink.ts';
import { TraceFile } from '../trace/trace-file.ts';
import { Tracer } from '../trace/tracer.ts';

export interface Tracing {
  readonly tracer: Tracer;
  /** Loads what the mode needs and puts the settings of the start in force. @throws ServeError with the remedy */
  start(): Promise<void>;
}

/** The tracer that the flags describe. */
export function makeTracing(options: ServerOptions, engine: Engine, log: Log): Tracing {
  const initial: TraceSettings = {
    levels: options.traceLevels,
    rate: options.traceRate,
    count: options.traceCount,
    logFrequency: options.traceLogFrequency,
  };
  if (options.traceMode === 'opentelemetry') {
    const sink = new DeferredSink(openTelemetryOptions(options));
    const tracer = new Tracer({ engine, sink, initial, takesContext: true });
    return {
      tracer,
      start: async () => {
        if (initial.levels.length > 0) await sink.load();
        await tracer.start();
      },
    };
  }
  const sink = options.traceFile === '' ? undefined : new TraceFile(options.traceFile, log);
  const tracer = new Tracer({ engine, sink, initial, takesContext: false });
  return {
    tracer,
    start: () => {
      if (initial.levels.length > 0 && sink === undefined) {
        throw invalidArgument(
          'traces have nowhere to go: name a file with --trace-config=triton,file=PATH',
        );
      }
      return tracer.start();
    },
  };
}

/** OpenTelemetry's packages are optional and weigh more than this server: they are loaded when spans are to be sent. */
class DeferredSink implements TraceSink {
  readonly #options: OpenTelemetryOptions;
  #loaded: Promise<OpenTelemetrySink> | undefined;

  constructor(options: OpenTelemetryOptions) {
    this.#options = options;
  }

  load(): Promise<OpenTelemetrySink> {
    this.#loaded ??= import('../trace/opentelemetry.ts').then(
      ({ OpenTelemetrySink }) => new OpenTelemetrySink(this.#options),
      (error: unknown) => {
        throw invalidArgument(
          `OpenTelemetry's packages could not be loaded (${error instanceof Error ? error.message : error}): ` +
            'npm install @opentelemetry/api @opentelemetry/sdk-trace @opentelemetry/resources ' +
            '@opentelemetry/exporter-trace-otlp-http',
        );
      },
    );
    return this.#loaded;
  }

  add(records: readonly TraceRecord[]): void {
    if (records.length > 0) void this.load().then((sink) => sink.add(records));
  }

  async flush(): Promise<void> {
    await (await this.#loaded)?.flush();
  }
}

const DEFAULT_URL = 'http://localhost:4318/v1/traces';

function openTelemetryOptions(options: ServerOptions): OpenTelemetryOptions {
  const settings = options.traceConfig.filter(({ mode }) => mode === 'opentelemetry');
  const number = (key: string, variable: string, fallback: number): number => {
    const given = settings.findLast((setting) => setting.key === key)?.value;
    return Number(given ?? process.env[variable] ?? fallback);
  };
  const resource: Record<string, string> = { 'service.name': 'triton-inference-server' };
  const pairs = (process.env['OTEL_RESOURCE_ATTRIBUTES'] ?? '').split(',');
  pairs.push(...settings.filter(({ key }) => key === 'resource').map(({ value }) => value));
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    if (equals > 0) resource[pair.slice(0, equals).trim()] = pair.slice(equals + 1).trim();
  }
  return {
    url: settings.findLast(({ key }) => key === 'url')?.value ?? DEFAULT_URL,
    resource,
    maxQueueSize: number('bsp_max_queue_size', 'OTEL_BSP_MAX_QUEUE_SIZE', 2048),
    scheduledDelayMs: number('bsp_schedule_delay', 'OTEL_BSP_SCHEDULE_DELAY', 5000),
    maxExportBatchSize: number('bsp_max_export_batch_size', 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 512),
  };
}
