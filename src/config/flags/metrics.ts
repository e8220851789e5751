// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { address, bool, both, decimal, type Flag, FlagError, pair, port } from './flag.ts';

/** A quantile of a summary and how far off it may be, both between 0 and 1. */
export interface SummaryQuantile {
  readonly quantile: number;
  readonly error: number;
}

/** The metrics port and page. */
export interface MetricsOptions {
  readonly allowMetrics: boolean;
  /** empty = the HTTP address */
  readonly metricsAddress: string;
  readonly metricsPort: number;
  /** false whenever `allowMetrics` is */
  readonly allowGpuMetrics: boolean;
  /** false whenever `allowMetrics` is */
  readonly allowCpuMetrics: boolean;
  readonly metricsIntervalMs: number;
  readonly metricsCounterLatencies: boolean;
  readonly metricsHistogramLatencies: boolean;
  readonly metricsSummaryLatencies: boolean;
  /** undefined = Triton's five */
  readonly metricsSummaryQuantiles: readonly SummaryQuantile[] | undefined;
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptyMetricsOptions: MetricsOptions = {
  allowMetrics: true,
  metricsAddress: '',
  metricsPort: 0,
  allowGpuMetrics: true,
  allowCpuMetrics: true,
  metricsIntervalMs: 0,
  metricsCounterLatencies: true,
  metricsHistogramLatencies: false,
  metricsSummaryLatencies: false,
  metricsSummaryQuantiles: undefined,
};

type MetricsDraft = { -readonly [K in keyof MetricsOptions]: MetricsOptions[K] };

export const metricsFlags: readonly Flag<MetricsOptions>[] = [
  {
    name: 'allow-metrics',
    group: 'Metrics',
    value: '<boolean>',
    help: 'Serve Prometheus metrics.',
    defaults: both('true'),
    set: (draft, value) => {
      draft.allowMetrics = bool(value);
    },
  },
  {
    name: 'allow-cpu-metrics',
    group: 'Metrics',
    value: '<boolean>',
    help: 'Report the processors and the memory of the machine. Nothing without --allow-metrics.',
    defaults: both('true'),
    withoutEffect: 'CPU and memory of the machine are always on the page',
    set: (draft, value) => {
      draft.allowCpuMetrics = bool(value);
    },
  },
  {
    name: 'allow-gpu-metrics',
    group: 'Metrics',
    value: '<boolean>',
    help: 'Report the GPUs of the machine. Nothing without --allow-metrics.',
    defaults: both('true'),
    withoutEffect: 'this server has no GPU metrics yet',
    set: (draft, value) => {
      draft.allowGpuMetrics = bool(value);
    },
  },
  {
    name: 'metrics-address',
    group: 'Metrics',
    value: '<string>',
    help: 'Address the metrics port binds; the HTTP address when left out.',
    set: (draft, value) => {
      draft.metricsAddress = address(value);
    },
  },
  {
    name: 'metrics-port',
    group: 'Metrics',
    value: '<integer>',
    help: 'Port for Prometheus metrics; 0 takes a free one and the start line names it.',
    defaults: both('8002'),
    set: (draft, value) => {
      draft.metricsPort = port(value);
    },
  },
  {
    name: 'metrics-interval-ms',
    group: 'Metrics',
    value: '<float>',
    help: 'Milliseconds between two looks at the processors, the memory and the GPUs of the machine.',
    defaults: both('2000'),
    withoutEffect: 'values are read when the page is asked for',
    set: (draft, value) => {
      draft.metricsIntervalMs = decimal(value);
    },
  },
  {
    name: 'metrics-config',
    group: 'Metrics',
    value: '<setting=value>',
    help: 'counter_latencies (true), histogram_latencies (false), summary_latencies (false), summary_quantiles (quantile:error, commas between them).',
    repeats: true,
    withoutEffect: 'the page has the counters of latencies alone',
    set: setMetricsConfig,
  },
];

/** Unknown settings and values are passed over, as Triton does. */
function setMetricsConfig(draft: MetricsDraft, argument: string): void {
  const equals = argument.indexOf('=');
  const key = argument.slice(0, Math.max(equals, 0));
  const value = argument.slice(equals + 1);
  if (key === '' || key.includes(',') || value === '') {
    throw new FlagError(`--metrics-config option format is <setting>=<value>. Got ${argument}`);
  }
  if (key === 'counter_latencies') draft.metricsCounterLatencies = value !== 'false';
  if (key === 'histogram_latencies') draft.metricsHistogramLatencies = value === 'true';
  if (key === 'summary_latencies') draft.metricsSummaryLatencies = value === 'true';
  if (key === 'summary_quantiles') {
    draft.metricsSummaryQuantiles = value.split(',').map((part) => {
      const [quantile, error] = pair(part, ':');
      return { quantile: decimal(quantile), error: decimal(error) };
    });
  }
}
