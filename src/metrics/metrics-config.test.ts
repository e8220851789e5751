// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Program, parseOptions } from '../config/options.ts';
import { readMetricsConfig } from './metrics-config.ts';

function read(argv: readonly string[], program: Program = 'tritonserver') {
  const parsed = parseOptions(program, argv);
  assert.equal(parsed.kind, 'options');
  return parsed.kind === 'options' ? readMetricsConfig(parsed.options) : assert.fail();
}

function refusal(value: string): string {
  const parsed = parseOptions('tritonserver', ['--metrics-config', value]);
  return parsed.kind === 'error' ? parsed.message : parsed.kind;
}

describe('metrics settings', () => {
  it('has the defaults of each name', () => {
    const triton = {
      counterLatencies: true,
      histogramLatencies: false,
      summaryLatencies: false,
      summaryQuantiles: [0.5, 0.9, 0.95, 0.99, 0.999],
      extended: false,
      cpu: true,
      hostIntervalMs: 2000,
      pinnedMemoryPoolBytes: 268_435_456,
    };
    assert.deepEqual(read([]), { metrics: triton, problems: [] });
    assert.deepEqual(read([], 'nereid'), {
      metrics: { ...triton, extended: true },
      problems: [],
    });
  });

  it('reads every setting of --metrics-config', () => {
    const { metrics } = read([
      '--metrics-config=counter_latencies=false',
      '--metrics-config=histogram_latencies=true',
      '--metrics-config=summary_latencies=true',
      '--metrics-config=summary_quantiles=0.25:0.05,1:0',
      '--allow-cpu-metrics=false',
      '--metrics-interval-ms=150.4',
      '--pinned-memory-pool-byte-size=4096',
      '--extended-metrics',
    ]);
    assert.deepEqual(metrics, {
      counterLatencies: false,
      histogramLatencies: true,
      summaryLatencies: true,
      summaryQuantiles: [0.25, 1],
      extended: true,
      cpu: false,
      hostIntervalMs: 150,
      pinnedMemoryPoolBytes: 4096,
    });
  });

  it('takes only the words true and false, and a setting cannot be taken back', () => {
    const { metrics } = read([
      '--metrics-config=counter_latencies=false',
      '--metrics-config=counter_latencies=true',
      '--metrics-config=summary_latencies=true',
      '--metrics-config=summary_latencies=false',
      '--metrics-config=histogram_latencies=yes',
      '--metrics-config=unknown=a=b',
    ]);
    assert.equal(metrics.counterLatencies, false);
    assert.equal(metrics.summaryLatencies, true);
    assert.equal(metrics.histogramLatencies, false);
  });

  it('measures nothing for a page that is off', () => {
    const { metrics } = read(
      [
        '--allow-metrics=false',
        '--metrics-config=summary_latencies=true',
        '--metrics-config=histogram_latencies=true',
      ],
      'nereid',
    );
    assert.equal(metrics.extended, false);
    assert.equal(metrics.summaryLatencies, false);
    assert.equal(metrics.histogramLatencies, false);
  });

  it('passes over quantiles that are none, in Triton’s words', () => {
    const given = read(['--metrics-config=summary_quantiles=0.5:0.05,x,0.9:y,:1,2:0.1,0.75:0.1']);
    assert.deepEqual(given.metrics.summaryQuantiles, [0.5, 0.75]);
    assert.deepEqual(given.problems, [
      "Invalid option: [x]. No ':' delimiter found. Expected format is <quantile>:<error>",
      'Invalid option: [0.9:y]. Error: stod',
      'Invalid option: [:1]. Error: stod',
      'Invalid option: [2:0.1]. Error: expected a quantile from 0 to 1',
    ]);
    const none = read(['--metrics-config=summary_quantiles=abc']);
    assert.deepEqual(none.metrics.summaryQuantiles, [0.5, 0.9, 0.95, 0.99, 0.999]);
  });

  it('refuses what is no <setting>=<value>', () => {
    for (const value of ['foo', '=x', 'foo=', 'a,b=c', '', 'x,=d']) {
      const sentence = `--metrics-config option format is <setting>=<value>. Got ${value}`;
      assert.equal(refusal(value), `Bad option: "--metrics-config".\n${sentence}`, value);
    }
  });
});
