// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ConfigProblem } from './config-error.ts';
import type { MetricControl, ModelConfig } from './model-config.ts';

/** Checks of `metric_tags` and `model_metrics`. Texts are Triton's where it has one. */
export function* metricsProblems(config: ModelConfig): Generator<ConfigProblem> {
  // A label that is none would spoil the page for every model.
  for (const key of config.metric_tags.keys()) {
    if (!/^(?:[A-Za-z0-9][A-Za-z0-9_]*)?$/.test(key))
      yield read(
        'metric_tags',
        `metric tags must have keys of letters, digits and '_' that begin with no '_', got '${key}' for ${config.name}`,
      );
  }
  for (const [index, control] of (config.model_metrics?.metric_control ?? []).entries())
    yield* controlProblems(control, `model_metrics.metric_control[${index}]`);
}

function* controlProblems(control: MetricControl, path: string): Generator<ConfigProblem> {
  if (!control.metric_identifier)
    yield read(path, "metric control must specify 'metric_identifier'");
  else if (!control.metric_identifier.family)
    yield read(`${path}.metric_identifier`, "metric identifier must specify non-empty 'family'");
  const buckets = control.histogram_options?.buckets;
  if (!buckets) yield read(path, "metric control must specify 'histogram_options'");
  else if (buckets.length === 0)
    yield read(`${path}.histogram_options`, "histogram options must specify non-empty 'buckets'");
  else if (!isAscending(buckets))
    yield read(
      `${path}.histogram_options`,
      "histogram options must specify finite 'buckets' in ascending order",
    );
}

function isAscending(bounds: readonly number[]): boolean {
  return bounds.every((bound, i) => {
    const before = bounds[i - 1];
    return Number.isFinite(bound) && (before === undefined || before < bound);
  });
}

function read(path: string, text: string): ConfigProblem {
  return { path, text, phase: 'read' };
}
