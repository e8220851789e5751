// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { type Profiler, Session } from 'node:inspector/promises';

/** Counts what V8 runs: blocks of the configuration's readers and of protobufjs, regular expressions aside. */
export class StepCounter implements AsyncDisposable {
  readonly #session = new Session();

  async start(): Promise<void> {
    this.#session.connect();
    await this.#session.post('Profiler.enable');
    await this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Blocks run since the last call, and how many different ones those were. */
  async take(): Promise<{ steps: number; blocks: number }> {
    const { result } = await this.#session.post('Profiler.takePreciseCoverage');
    const isReader = ({ url }: Profiler.ScriptCoverage): boolean =>
      /\/src\/config\/|\/protobufjs\//.test(url);
    const counts = result
      .filter(isReader)
      .flatMap(({ functions }) => functions.flatMap(({ ranges }) => ranges))
      .map(({ count }) => count);
    return {
      steps: counts.reduce((sum, count) => sum + count, 0),
      blocks: counts.filter((count) => count > 0).length,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.post('Profiler.stopPreciseCoverage');
    this.#session.disconnect();
  }
}
