// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { MetricsOptions } from '../addon/engine-options.ts';
import type { ServerOptions } from '../config/server-options.ts';

/** Triton's, where `summary_quantiles` names none. */
const DEFAULT_QUANTILES: readonly number[] = [0.5, 0.9, 0.95, 0.99, 0.999];

/** What native measures, and what was wrong with the settings: a wrong one is told and passed over, as Triton does. */
export interface ReadMetricsConfig {
  readonly metrics: MetricsOptions;
  readonly problems: readonly string[];
}

/**
 * Reads `--metrics-config` and its neighbours by Triton's rules: counters are off after one `false`, the others on
 * after one `true`, the last `summary_quantiles` with a usable quantile counts; what is unknown changes nothing.
 */
export function readMetricsConfig(options: ServerOptions): ReadMetricsConfig {
  const problems: string[] = [];
  let summaryQuantiles = DEFAULT_QUANTILES;
  for (const { setting, value } of options.metricsConfig) {
    if (setting !== 'summary_quantiles') continue;
    const quantiles = parseQuantiles(value, problems);
    if (quantiles.length > 0) summaryQuantiles = quantiles;
  }
  const has = (setting: string, value: string): boolean =>
    options.metricsConfig.some((one) => one.setting === setting && one.value === value);
  const isOn = options.allowMetrics;
  const metrics = {
    counterLatencies: !has('counter_latencies', 'false'),
    // Nobody sees them without the page.
    histogramLatencies: isOn && has('histogram_latencies', 'true'),
    summaryLatencies: isOn && has('summary_latencies', 'true'),
    summaryQuantiles,
    extended: isOn && options.extendedMetrics,
    cpu: options.allowCpuMetrics,
    hostIntervalMs: Math.max(0, Math.round(options.metricsIntervalMs)),
    pinnedMemoryPoolBytes: options.pinnedMemoryPoolBytes,
  };
  return { metrics, problems };
}

/** `0.5:0.05,0.99:0.001`: quantiles with the error that each may have. Estimates here are better than any error asked for. */
function parseQuantiles(text: string, problems: string[]): number[] {
  const quantiles: number[] = [];
  for (const pair of text.split(',')) {
    const colon = pair.indexOf(':');
    const quantile = decimal(pair.slice(0, colon));
    const error = decimal(pair.slice(colon + 1));
    if (colon < 0) {
      problems.push(
        `Invalid option: [${pair}]. No ':' delimiter found. Expected format is <quantile>:<error>`,
      );
    } else if (quantile === undefined || error === undefined) {
      problems.push(`Invalid option: [${pair}]. Error: stod`);
    } else if (quantile < 0 || quantile > 1) {
      problems.push(`Invalid option: [${pair}]. Error: expected a quantile from 0 to 1`);
    } else {
      quantiles.push(quantile);
    }
  }
  return quantiles;
}

function decimal(text: string): number | undefined {
  return /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined;
}
