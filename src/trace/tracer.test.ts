// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeEngine } from '../../test/support/fake-engine.ts';
import type { TraceRecord } from '../addon/tracing.ts';
import type { TraceSettings } from './settings.ts';
import type { TraceSink } from './sink.ts';
import { Tracer } from './tracer.ts';

const OFF: TraceSettings = { levels: [], rate: 1000, count: -1, logFrequency: 0 };

class FakeSink implements TraceSink {
  readonly got: [ids: number[], logFrequency: number][] = [];
  flushes = 0;

  add(records: readonly TraceRecord[], logFrequency: number): void {
    this.got.push([records.map(({ id }) => id), logFrequency]);
  }

  async flush(): Promise<void> {
    this.flushes += 1;
  }
}

function made(initial: Partial<TraceSettings> = {}, sink: TraceSink | undefined = new FakeSink()) {
  const engine = new FakeEngine();
  const tracer = new Tracer({
    engine,
    sink,
    initial: { ...OFF, ...initial },
    takesContext: false,
  });
  return { engine, tracer };
}

const record = (id: number, sampler: number): TraceRecord => ({
  id,
  parentId: 0,
  sampler,
  protocol: 'http',
  model: 'm',
  version: 1,
  requestId: '',
  traceParent: '',
  timestamps: true,
  failed: false,
  cut: false,
  wallOffsetNs: 0n,
  stamps: [],
  tensors: [],
});

describe('Tracer', () => {
  it('tells native nothing while nothing is traced', async () => {
    const { engine, tracer } = made();
    await tracer.start();
    assert.deepEqual(engine.tracePlans, []);
    await tracer.update(undefined, { levels: ['TIMESTAMPS'], rate: 5 });
    await tracer.update(undefined, { levels: null });
    assert.deepEqual(engine.tracePlans, [
      {
        global: { id: 2, timestamps: true, tensors: false, rate: 5, count: -1 },
        models: [],
        takesContext: false,
      },
      undefined,
    ]);
    assert.deepEqual(tracer.settings(), { ...OFF, rate: 5 });
  });

  it('refuses to trace without a place to write to', async () => {
    const engine = new FakeEngine();
    const tracer = new Tracer({
      engine,
      sink: undefined,
      initial: OFF,
      takesContext: false,
    });
    await assert.rejects(tracer.update(undefined, { levels: ['TENSORS'] }), {
      code: 'InvalidArgument',
      message: 'Attempting to set invalid trace setting :trace file name is not given',
    });
    await tracer.update(undefined, { rate: 2 });
    assert.equal(tracer.settings().rate, 2);
  });

  it('gives a model what it does not set itself from the server', async () => {
    const { engine, tracer } = made({ levels: ['TIMESTAMPS'] });
    await tracer.start();
    await tracer.update('m', { rate: 7, count: 3 });
    await tracer.update(undefined, { rate: 11, logFrequency: 2 });
    assert.deepEqual(tracer.settings('m'), {
      levels: ['TIMESTAMPS'],
      rate: 7,
      count: 3,
      logFrequency: 2,
    });
    assert.deepEqual(tracer.settings('other'), tracer.settings());
    await tracer.update('m', { rate: null, count: null });
    assert.deepEqual(tracer.settings('m'), tracer.settings());
    assert.equal(engine.tracePlans.at(-1)?.models[0]?.sampler.rate, 11);
    tracer.forget('m');
    await tracer.update(undefined, { rate: 12 });
    assert.deepEqual(engine.tracePlans.at(-1)?.models, []);
    await tracer.close();
  });

  it('keeps what is left of a count over other changes and starts a new one anew', async () => {
    const { engine, tracer } = made();
    await tracer.update(undefined, { levels: ['TIMESTAMPS'], count: 3 });
    engine.traceRemaining = [{ id: 2, remaining: 1 }];
    assert.equal(tracer.settings().count, 1);
    await tracer.update(undefined, { rate: 2 });
    assert.equal(engine.tracePlans.at(-1)?.global.count, 1);
    await tracer.update(undefined, { count: 3 });
    assert.equal(engine.tracePlans.at(-1)?.global.count, 3);
    await tracer.close();
  });

  it('writes records under the settings that chose them', async () => {
    const sink = new FakeSink();
    const { engine, tracer } = made({ levels: ['TIMESTAMPS'], logFrequency: 4 }, sink);
    await tracer.start();
    await tracer.update('m', { logFrequency: 1 });
    engine.traces.push(record(1, 1), record(2, 1), record(3, 2), record(4, 1));
    await tracer.update(undefined, { logFrequency: 9 });
    assert.deepEqual(sink.got, [
      [[1, 2], 4],
      [[3], 1],
      [[4], 4],
    ]);
    engine.traces.push(record(5, 1));
    await tracer.close();
    assert.deepEqual(sink.got.at(-1), [[5], 4]);
    assert.ok(sink.flushes > 0);
  });
});
