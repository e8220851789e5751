// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { DurationStat, ModelStatistics } from '../addon/snapshot.ts';
import type { Engine } from '../addon/types.ts';
import { invalidArgument } from '../base/status.ts';
import type { ModelLifecycle } from '../lifecycle/lifecycle.ts';
import { parseVersion } from './models.ts';

/** Nanoseconds and how many times they were measured. */
export interface StatisticDuration {
  readonly count: bigint;
  readonly ns: bigint;
}

export interface BatchStatistics {
  readonly batch_size: bigint;
  readonly compute_input: StatisticDuration;
  readonly compute_infer: StatisticDuration;
  readonly compute_output: StatisticDuration;
}

/** Responses of a decoupled model that have one index. */
export interface ResponseStatistics {
  readonly compute_infer: StatisticDuration;
  readonly compute_output: StatisticDuration;
  readonly success: StatisticDuration;
  readonly fail: StatisticDuration;
  readonly empty_response: StatisticDuration;
  readonly cancel: StatisticDuration;
}

/** One row of the statistics extension. Key order is Triton's. */
export interface StatisticsRow {
  readonly name: string;
  readonly version: string;
  /** milliseconds since the epoch */
  readonly last_inference: bigint;
  readonly inference_count: bigint;
  readonly execution_count: bigint;
  readonly inference_stats: {
    readonly success: StatisticDuration;
    readonly fail: StatisticDuration;
    readonly queue: StatisticDuration;
    readonly compute_input: StatisticDuration;
    readonly compute_infer: StatisticDuration;
    readonly compute_output: StatisticDuration;
    readonly cache_hit: StatisticDuration;
    readonly cache_miss: StatisticDuration;
  };
  /** per response index of decoupled models */
  readonly response_stats: Readonly<Record<string, ResponseStatistics>>;
  readonly batch_stats: readonly BatchStatistics[];
  readonly memory_usage: readonly never[];
}

/** Counters per served version, one consistent reading. */
export class StatisticsQueries {
  readonly #engine: Pick<Engine, 'snapshot'>;
  readonly #lifecycle: Pick<ModelLifecycle, 'served' | 'allServed'>;

  constructor(
    engine: Pick<Engine, 'snapshot'>,
    lifecycle: Pick<ModelLifecycle, 'served' | 'allServed'>,
  ) {
    this.#engine = engine;
    this.#lifecycle = lifecycle;
  }

  /**
   * @param name empty = every model
   * @param version empty = every version
   * @throws ServeError InvalidArgument for a model or version that does not serve, in Triton's words
   */
  read(name: string, version: string): StatisticsRow[] {
    const asked = parseVersion(version);
    let served = name === '' ? this.#lifecycle.allServed() : this.#lifecycle.served(name);
    if (name !== '' && served.length === 0) {
      throw invalidArgument(`requested model '${name}' is not available`);
    }
    if (asked !== undefined) served = served.filter((one) => one.version === asked);
    if (name !== '' && served.length === 0) {
      throw invalidArgument(`requested model version is not available for model '${name}'`);
    }
    const { models } = this.#engine.snapshot();
    // Two repositories may serve one name and version: each build is told once.
    const left = [...models];
    return served.flatMap(({ plan }) => {
      const at = left.findIndex((one) => one.name === plan.name && one.version === plan.version);
      return left.splice(at, at < 0 ? 0 : 1).map(rowOf);
    });
  }
}

function rowOf(model: ModelStatistics): StatisticsRow {
  return {
    name: model.name,
    version: String(model.version),
    last_inference: model.lastInferenceMs,
    inference_count: model.inferenceCount,
    execution_count: model.executionCount,
    inference_stats: {
      success: duration(model.success),
      fail: duration(model.fail),
      queue: duration(model.queue),
      compute_input: duration(model.computeInput),
      compute_infer: duration(model.computeInfer),
      compute_output: duration(model.computeOutput),
      cache_hit: duration(model.cacheHit),
      cache_miss: duration(model.cacheMiss),
    },
    response_stats: Object.fromEntries(
      model.responses.map((one, index) => [String(index), responseOf(one)]),
    ),
    batch_stats: model.batches.map((batch) => ({
      batch_size: batch.batchSize,
      compute_input: duration(batch.computeInput),
      compute_infer: duration(batch.computeInfer),
      compute_output: duration(batch.computeOutput),
    })),
    memory_usage: [],
  };
}

function responseOf(one: ModelStatistics['responses'][number]): ResponseStatistics {
  return {
    compute_infer: duration(one.computeInfer),
    compute_output: duration(one.computeOutput),
    success: duration(one.success),
    fail: duration(one.fail),
    empty_response: duration(one.emptyResponse),
    cancel: duration(one.cancel),
  };
}

const duration = ({ count, ns }: DurationStat): StatisticDuration => ({ count, ns });
