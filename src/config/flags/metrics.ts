// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import {
  address,
  bool,
  both,
  decimal,
  type Flag,
  FlagError,
  OPTIONAL_BOOLEAN,
  port,
} from './flag.ts';

/** `setting=value` of `--metrics-config`, as written. */
export interface MetricsSetting {
  readonly setting: string;
  readonly value: string;
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
  /** how old a reading of the machine may be when the page shows it */
  readonly metricsIntervalMs: number;
  /** in order; `readMetricsConfig` says what they mean */
  readonly metricsConfig: readonly MetricsSetting[];
  /** the `nereid_*`, `process_*` and `nodejs_*` families */
  readonly extendedMetrics: boolean;
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptyMetricsOptions: MetricsOptions = {
  allowMetrics: true,
  metricsAddress: '',
  metricsPort: 0,
  allowGpuMetrics: true,
  allowCpuMetrics: true,
  metricsIntervalMs: 0,
  metricsConfig: [],
  extendedMetrics: false,
};

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
    set: (draft, argument) => {
      const parts = /^([^=,]+)=(.+)$/s.exec(argument);
      if (parts === null) {
        throw new FlagError(`--metrics-config option format is <setting>=<value>. Got ${argument}`);
      }
      const [, setting = '', value = ''] = parts;
      draft.metricsConfig = [...draft.metricsConfig, { setting, value }];
    },
  },
  {
    name: 'extended-metrics',
    group: 'Metrics',
    value: OPTIONAL_BOOLEAN,
    help: 'Families that Triton does not have: histograms of every stage, queues and saturation, connections, memory, the process.',
    defaults: { tritonserver: 'false', nereid: 'true' },
    set: (draft, value) => {
      draft.extendedMetrics = bool(value);
    },
  },
];
