// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { resourceFromAttributes } from '@opentelemetry/resources';
import type { TraceRecord } from '../addon/tracing.ts';
import { OpenTelemetrySink, readTraceParent, spansOf, spansOfAll } from './opentelemetry.ts';

const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

const record = (more: Partial<TraceRecord> = {}): TraceRecord => ({
  id: 5,
  parentId: 0,
  sampler: 1,
  protocol: 'http',
  model: 'm',
  version: 2,
  requestId: 'r',
  traceParent: '',
  timestamps: true,
  failed: false,
  cut: false,
  wallOffsetNs: 1_700_000_000_000_000_000n,
  stamps: [
    { name: 'HTTP_RECV_START', ns: 10n },
    { name: 'REQUEST_START', ns: 20n },
    { name: 'QUEUE_START', ns: 30n },
    { name: 'COMPUTE_START', ns: 40n },
    { name: 'COMPUTE_END', ns: 50n },
    { name: 'REQUEST_END', ns: 60n },
    { name: 'HTTP_SEND_END', ns: 70n },
  ],
  tensors: [],
  ...more,
});

describe('spansOf', () => {
  const resource = resourceFromAttributes({});

  it('nests request, model and compute', () => {
    const [root, model, compute, ...more] = spansOf(record(), resource);
    assert.deepEqual(more, []);
    assert.deepEqual(
      [root, model, compute].map((span) => [span?.name, span?.parentSpanContext?.spanId]),
      [
        ['InferRequest', undefined],
        ['m', root?.spanContext().spanId],
        ['compute', model?.spanContext().spanId],
      ],
    );
    assert.deepEqual(root?.startTime, [1_700_000_000, 10]);
    assert.deepEqual(root?.duration, [0, 60]);
    assert.deepEqual(
      compute?.events.map(({ name }) => name),
      ['COMPUTE_START', 'COMPUTE_END'],
    );
    assert.deepEqual(model?.attributes, {
      'triton.model_name': 'm',
      'triton.model_version': 2,
      'triton.trace_id': 5,
      'triton.trace_parent_id': 0,
      'triton.request_id': 'r',
    });
  });

  it("hangs below the client's span and has no compute span without computing", () => {
    const stamps = record().stamps.filter(({ name }) => !name.startsWith('COMPUTE'));
    const spans = spansOf(record({ traceParent: PARENT, stamps, failed: true }), resource);
    assert.equal(spans.length, 2);
    assert.equal(spans[0]?.spanContext().traceId, '0af7651916cd43dd8448eb211c80319c');
    assert.equal(spans[0]?.parentSpanContext?.spanId, 'b7ad6b7169203331');
    assert.equal(spans[1]?.status.code, 2);
  });
});

describe('spansOfAll', () => {
  it("nests the steps of ensembles below the ensemble's span", () => {
    const step = (id: number, parentId: number, model: string) =>
      record({
        id,
        parentId,
        model,
        stamps: record().stamps.filter(({ name }) => !name.startsWith('HTTP')),
      });
    const outer = record({ id: 1, model: 'outer', traceParent: PARENT });
    const records = [step(3, 2, 'leaf'), step(2, 1, 'inner'), outer];
    const spans = spansOfAll(records, resourceFromAttributes({}));
    const names = new Map(spans.map((span) => [span.spanContext().spanId, span.name]));
    const above = spans.map((span) => [
      span.name,
      names.get(span.parentSpanContext?.spanId ?? '') ?? span.parentSpanContext?.spanId,
    ]);
    assert.deepEqual(above, [
      ['InferRequest', 'b7ad6b7169203331'],
      ['outer', 'InferRequest'],
      ['compute', 'outer'],
      ['inner', 'outer'],
      ['compute', 'inner'],
      ['leaf', 'inner'],
      ['compute', 'leaf'],
    ]);
    assert.equal(new Set(spans.map((span) => span.spanContext().traceId)).size, 1);
    assert.equal(spans[5]?.attributes['triton.trace_parent_id'], 2);
  });
});

describe('readTraceParent', () => {
  it('takes what W3C allows', () => {
    assert.equal(readTraceParent(PARENT)?.spanId, 'b7ad6b7169203331');
    for (const text of [
      '',
      PARENT.slice(1),
      PARENT.toUpperCase(),
      PARENT.replace('00-', 'ff-'),
      `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
      `00-0af7651916cd43dd8448eb211c80319c-${'0'.repeat(16)}-01`,
    ]) {
      assert.equal(readTraceParent(text), undefined, text);
    }
  });
});

describe('OpenTelemetrySink', () => {
  it('posts OTLP to its collector', async () => {
    const bodies: string[] = [];
    const collector = createServer((request, response) => {
      let body = '';
      request.on('data', (text: Buffer) => {
        body += text.toString();
      });
      request.on('end', () => {
        bodies.push(body);
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      });
    });
    await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = collector.address() as AddressInfo;
      const sink = new OpenTelemetrySink({
        url: `http://127.0.0.1:${port}/v1/traces`,
        resource: { 'service.name': 'test' },
        maxQueueSize: 100,
        scheduledDelayMs: 60_000,
        maxExportBatchSize: 50,
      });
      sink.add([record(), record({ id: 6 })]);
      await sink.flush();
      assert.equal(bodies.length, 1);
      assert.match(bodies[0] ?? '', /"InferRequest"/);
      assert.match(bodies[0] ?? '', /"service.name"/);
      assert.equal(bodies[0]?.split('"name":"compute"').length, 3);
    } finally {
      collector.closeAllConnections();
      collector.close();
    }
  });
});
