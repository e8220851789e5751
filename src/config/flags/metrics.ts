// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { address, bool, both, decimal, type Flag, ignored, port } from './flag.ts';

/** The metrics port and page. */
export interface MetricsOptions {
  readonly allowMetrics: boolean;
  /** empty = the HTTP address */
  readonly metricsAddress: string;
  readonly metricsPort: number;
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptyMetricsOptions: MetricsOptions = {
  allowMetrics: true,
  metricsAddress: '',
  metricsPort: 0,
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
  ignored(
    'allow-cpu-metrics',
    'Metrics',
    '<boolean>',
    'CPU and memory of the machine are always on the page',
  ),
  ignored('allow-gpu-metrics', 'Metrics', '<boolean>', 'this server has no GPU metrics yet'),
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
    ...ignored(
      'metrics-interval-ms',
      'Metrics',
      '<float>',
      'values are read when the page is asked for',
    ),
    set: (_, value) => {
      decimal(value, 0);
    },
  },
];
