// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Engine } from '../addon/types.ts';
import { invalidArgument } from '../base/status.ts';
import type { ModelLifecycle } from '../lifecycle/lifecycle.ts';
import { parseVersion } from './models.ts';

/** How a model forms its batches now, and why. Times in milliseconds. */
export interface BatchingExplanation {
  readonly model_name: string;
  readonly model_version: string;
  /** absent where batches follow the configuration */
  readonly latency_target_ms?: number;
  /** rows; absent where nobody counts them */
  readonly arrivals_per_second?: number;
  readonly instances: number;
  readonly chosen: {
    /** no batch is larger */
    readonly max_batch_size: number;
    /** an idle instance waits for a batch of one of these sizes, */
    readonly wait_for_batch_sizes: readonly number[];
    /** but no longer than this */
    readonly wait_ms: number;
    readonly why: string;
  };
  /** what batches were measured to take, by their rows: moving averages, ascending */
  readonly cost_curve: readonly {
    readonly batch_size: number;
    readonly ms: number;
    readonly executions: number;
  }[];
}

/** What one asks about a model's ways with load. */
export class TuningQueries {
  readonly #engine: Pick<Engine, 'batching'>;
  readonly #lifecycle: Pick<ModelLifecycle, 'find'>;

  constructor(engine: Pick<Engine, 'batching'>, lifecycle: Pick<ModelLifecycle, 'find'>) {
    this.#engine = engine;
    this.#lifecycle = lifecycle;
  }

  /**
   * @param version digits, empty = the highest that serves
   * @throws ServeError NotFound for a model that does not serve, InvalidArgument for an ensemble or a model of sequences
   */
  batching(model: string, version: string): BatchingExplanation {
    const build = this.#lifecycle.find(model, parseVersion(version));
    const view = this.#engine.batching(build.handle);
    if (view === undefined) {
      throw invalidArgument(
        `model '${model}' forms no batches of its own: it is an ensemble or serves sequences`,
      );
    }
    return {
      model_name: model,
      model_version: String(build.version),
      ...(view.targetUs === undefined ? {} : { latency_target_ms: view.targetUs / 1000 }),
      ...(view.rowsPerSecond === undefined
        ? {}
        : { arrivals_per_second: rounded(view.rowsPerSecond) }),
      instances: view.instances,
      chosen: {
        max_batch_size: view.maxRows,
        wait_for_batch_sizes: view.wantedRows,
        wait_ms: rounded(view.waitUs / 1000),
        why: view.reason,
      },
      cost_curve: view.costs.map(({ rows, us, executions }) => ({
        batch_size: rounded(rows),
        ms: rounded(us / 1000),
        executions,
      })),
    };
  }
}

/** To a thousandth. */
function rounded(number: number): number {
  return Math.round(number * 1000) / 1000;
}
