// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { randomBytes } from 'node:crypto';
import {
  type Attributes,
  type HrTime,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, type ReadableSpan } from '@opentelemetry/sdk-trace';
import type { TraceRecord } from '../addon/tracing.ts';
import type { TraceSink } from './sink.ts';

export interface OpenTelemetryOptions {
  /** of an OTLP/HTTP collector */
  readonly url: string;
  readonly resource: Readonly<Record<string, string>>;
  readonly maxQueueSize: number;
  readonly scheduledDelayMs: number;
  readonly maxExportBatchSize: number;
}

const SCOPE = { name: 'triton-server' };
const SAMPLED = 1;

/**
 * Sends traces to an OpenTelemetry collector: for each request `InferRequest`, below it the model's span, then
 * `compute`. The spans of an ensemble's steps hang below the ensemble's.
 */
export class OpenTelemetrySink implements TraceSink {
  readonly #processor: BatchSpanProcessor;
  readonly #resource: ReadableSpan['resource'];

  constructor(options: OpenTelemetryOptions) {
    this.#resource = resourceFromAttributes(options.resource);
    this.#processor = new BatchSpanProcessor({
      exporter: new OTLPTraceExporter({ url: options.url }),
      maxQueueSize: options.maxQueueSize,
      scheduledDelayMillis: options.scheduledDelayMs,
      maxExportBatchSize: Math.min(options.maxExportBatchSize, options.maxQueueSize),
    });
  }

  add(records: readonly TraceRecord[]): void {
    for (const span of spansOfAll(records, this.#resource)) this.#processor.onEnd(span);
  }

  async flush(): Promise<void> {
    await this.#processor.forceFlush();
  }
}

/** The spans of records that came together, of ensembles before those of their steps. */
export function spansOfAll(
  records: readonly TraceRecord[],
  resource: ReadableSpan['resource'],
): ReadableSpan[] {
  const models = new Map<number, SpanPlace>();
  const all: ReadableSpan[] = [];
  for (const record of records.toReversed()) {
    const spans = spansOf(record, resource, models.get(record.parentId));
    const model = spans.find(({ attributes }) => 'triton.trace_id' in attributes)?.spanContext();
    if (model !== undefined) models.set(record.id, model);
    all.push(...spans);
  }
  return all;
}

/** Where in a trace a span hangs. */
type SpanPlace = Pick<SpanContext, 'traceId' | 'spanId'>;

/**
 * The three spans of a request, outermost first; of a step the last two.
 * @param ensemble the span of the ensemble that it is a step of
 */
export function spansOf(
  record: TraceRecord,
  resource: ReadableSpan['resource'],
  ensemble?: SpanPlace,
): ReadableSpan[] {
  const parent = ensemble ?? readTraceParent(record.traceParent);
  const traceId = parent?.traceId ?? randomBytes(16).toString('hex');
  const attributes: Attributes = {
    'triton.model_name': record.model,
    'triton.model_version': record.version,
    'triton.trace_id': record.id,
    'triton.trace_parent_id': record.parentId,
    ...(record.requestId === '' ? {} : { 'triton.request_id': record.requestId }),
  };
  const make = (
    name: string,
    kind: SpanKind,
    parentId: string | undefined,
    own: Attributes,
    stamps: TraceRecord['stamps'],
  ): ReadableSpan => {
    const times = stamps.map(({ ns }) => ns).sort((a, b) => (a < b ? -1 : 1));
    const start = times[0] ?? 0n;
    const end = times.at(-1) ?? start;
    const context = { traceId, spanId: randomBytes(8).toString('hex'), traceFlags: SAMPLED };
    return {
      name,
      kind,
      spanContext: () => context,
      ...(parentId === undefined
        ? {}
        : { parentSpanContext: { traceId, spanId: parentId, traceFlags: SAMPLED } }),
      startTime: hrTime(start + record.wallOffsetNs),
      endTime: hrTime(end + record.wallOffsetNs),
      duration: hrTime(end - start),
      status: { code: record.failed ? SpanStatusCode.ERROR : SpanStatusCode.UNSET },
      attributes: own,
      links: [],
      events: stamps.map(({ name: event, ns }) => ({
        name: event,
        time: hrTime(ns + record.wallOffsetNs),
      })),
      ended: true,
      resource,
      instrumentationScope: SCOPE,
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    };
  };
  const pick = (pattern: RegExp) => record.stamps.filter(({ name }) => pattern.test(name));
  const transport = pick(/^(HTTP|GRPC)_|^INFER_RESPONSE/);
  const spans: ReadableSpan[] = [];
  let above = parent?.spanId;
  if (record.parentId === 0) {
    const root = make('InferRequest', SpanKind.SERVER, above, {}, transport);
    above = root.spanContext().spanId;
    spans.push(root);
  }
  const request = pick(/^(REQUEST|QUEUE)_/);
  const model = make(record.model, SpanKind.INTERNAL, above, attributes, request);
  spans.push(model);
  const compute = pick(/^COMPUTE_/);
  // A request that was refused in its queue has computed nothing.
  if (compute.length > 0) {
    spans.push(make('compute', SpanKind.INTERNAL, model.spanContext().spanId, {}, compute));
  }
  return spans;
}

/** W3C trace context, version 00; undefined for anything else. */
export function readTraceParent(text: string): { traceId: string; spanId: string } | undefined {
  const match = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-|$)/.exec(text);
  const [, traceId, spanId] = match ?? [];
  if (traceId === undefined || spanId === undefined || text.startsWith('ff')) return undefined;
  return /^0+$/.test(traceId) || /^0+$/.test(spanId) ? undefined : { traceId, spanId };
}

function hrTime(ns: bigint): HrTime {
  return [Number(ns / 1_000_000_000n), Number(ns % 1_000_000_000n)];
}
