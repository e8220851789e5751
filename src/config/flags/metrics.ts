// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import {
  address,
  bool,
  both,
  decimal,
  type Flag,
  FlagError,
  ignored,
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
  readonly allowCpuMetrics: boolean;
  /** how old a reading of the machine may be when the page shows it */
  readonly metricsIntervalMs: number;
  readonly metricsConfig: readonly MetricsSetting[];
  /** the `nereid_*`, `process_*` and `nodejs_*` families */
  readonly extendedMetrics: boolean;
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptyMetricsOptions: MetricsOptions = {
  allowMetrics: true,
  metricsAddress: '',
  metricsPort: 0,
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
    help: 'Show CPU and memory of the machine on the page.',
    defaults: both('true'),
    set: (draft, value) => {
      draft.allowCpuMetrics = bool(value);
    },
  },
  {
    ...ignored('allow-gpu-metrics', 'Metrics', '<boolean>', 'this server has no GPU metrics yet'),
    set: (_, value) => {
      bool(value);
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
    help: 'Milliseconds for which a reading of CPU and memory of the machine is kept.',
    defaults: both('2000'),
    set: (draft, value) => {
      draft.metricsIntervalMs = decimal(value, 0);
    },
  },
  {
    name: 'metrics-config',
    group: 'Metrics',
    value: '<string>=<string>',
    help: 'counter_latencies=false, histogram_latencies=true, summary_latencies=true, summary_quantiles=<quantile>:<error>,… choose the latency families.',
    repeats: true,
    set: (draft, value) => {
      const parts = /^([^=,]+)=(.+)$/s.exec(value);
      if (parts === null) {
        throw new FlagError(`--metrics-config option format is <setting>=<value>. Got ${value}\n`);
      }
      const [, setting = '', given = ''] = parts;
      draft.metricsConfig = [...draft.metricsConfig, { setting, value: given }];
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
