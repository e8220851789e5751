// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { existsSync } from 'node:fs';
import type { Log } from '../base/log.ts';
import { ServeError, unavailable } from '../base/status.ts';
import type { ServerOptions } from '../config/server-options.ts';
import { cachedLibrary, findOnnxRuntime, setupOnnxRuntime } from '../setup/onnxruntime.ts';

/** Asks the person at the terminal; undefined where there is none. */
export type Ask = ((question: string) => Promise<boolean>) | undefined;

const REMEDY = 'run `nereid setup onnxruntime`, or name a library with --onnxruntime-library=PATH';

/** Finds ONNX Runtime, and fetches it when a model first needs it and the options allow that. */
export class BackendSetup {
  /** where native looks for the library; it need not be there yet */
  readonly libraryPath: string;
  readonly #policy: ServerOptions['setup'];
  readonly #log: Pick<Log, 'info'>;
  readonly #ask: Ask;
  #running: Promise<void> | undefined;

  constructor(
    options: Pick<ServerOptions, 'onnxRuntimeLibrary' | 'setup'>,
    log: Pick<Log, 'info'>,
    ask: Ask,
  ) {
    const given = options.onnxRuntimeLibrary;
    this.libraryPath = given !== '' ? given : (findOnnxRuntime() ?? cachedLibrary());
    // A path that somebody wrote is theirs to fill.
    this.#policy = this.libraryPath === cachedLibrary() ? options.setup : 'never';
    this.#log = log;
    this.#ask = ask;
  }

  /**
   * Resolves when the backend's library is there.
   * @throws ServeError Unavailable that names the remedy
   */
  async ensure(backend: string): Promise<void> {
    if (backend !== 'onnxruntime' || existsSync(this.libraryPath)) return;
    this.#running ??= this.#fetch().finally(() => {
      this.#running = undefined;
    });
    await this.#running;
  }

  async #fetch(): Promise<void> {
    if (this.#policy === 'never') {
      throw unavailable(`ONNX Runtime, which this model needs, is not installed: ${REMEDY}`);
    }
    const question =
      'A model needs ONNX Runtime, which is not installed. Fetch it (about 108 MiB)?';
    if (this.#policy === 'ask' && this.#ask !== undefined && !(await this.#ask(question))) {
      throw unavailable(`ONNX Runtime, which this model needs, was not fetched: ${REMEDY}`);
    }
    this.#log.info('fetching ONNX Runtime from the npm registry (about 108 MiB)');
    try {
      await setupOnnxRuntime();
    } catch (thrown) {
      const error = ServeError.from(thrown);
      throw new ServeError(error.code, `ONNX Runtime could not be fetched: ${error.message}`, {
        cause: error,
      });
    }
    this.#log.info('ONNX Runtime is installed');
  }
}
