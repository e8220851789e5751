// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Engine } from '../addon/types.ts';

/** How old the block may be when somebody reads the page. */
const INTERVAL_MS = 1000;
/** Event-loop delay is sampled this often; the library's 10 ms would wake an idle server a hundred times a second. */
const EVENT_LOOP_SAMPLE_MS = 100;
/** Gauges with the ending of a counter, which Prometheus' linter reports; the families without it say the same by type. */
const MISNAMED = ['handles', 'requests', 'resources'].map((what) => `nodejs_active_${what}_total`);

/**
 * The part of `/metrics` that TypeScript knows: this process and its event loop. Native serves the page and appends
 * this block, so a scrape never waits for JavaScript; who scrapes is not known here, hence the timer.
 */
export class ProcessMetrics implements Disposable {
  readonly #timer: NodeJS.Timeout;
  readonly #clear: () => void;

  private constructor(timer: NodeJS.Timeout, clear: () => void) {
    this.#timer = timer;
    this.#clear = clear;
  }

  static async start(engine: Pick<Engine, 'setMetricsText'>): Promise<ProcessMetrics> {
    const { collectDefaultMetrics, Registry } = await import('prom-client');
    const registry = new Registry();
    collectDefaultMetrics({
      register: registry,
      eventLoopMonitoringPrecision: EVENT_LOOP_SAMPLE_MS,
    });
    for (const name of MISNAMED) registry.removeSingleMetric(name);
    const render = async (): Promise<void> => {
      // prom-client writes `Nan` for a loop that was not sampled yet; the format's word is `NaN`.
      engine.setMetricsText((await registry.metrics()).replaceAll(/ Nan$/gm, ' NaN'));
    };
    await render();
    let isRendering = false;
    const timer = setInterval(() => {
      if (isRendering) return;
      isRendering = true;
      render()
        // A page without this block is better than none; the next turn tries again.
        .catch(() => undefined)
        .finally(() => {
          isRendering = false;
        });
    }, INTERVAL_MS);
    timer.unref();
    return new ProcessMetrics(timer, () => registry.clear());
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#clear();
  }
}
