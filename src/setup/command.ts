// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { ServeError } from '../base/status.ts';
import { type SetupProgress, setupOnnxRuntime } from './onnxruntime.ts';

export interface CommandOutput {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/**
 * `nereid setup onnxruntime`: fetches ONNX Runtime and prints where it is.
 * @param what words after `setup`
 * @returns exit code: 0, 1 when it failed, 2 for wrong words, 130 when interrupted
 */
export async function runSetup(
  what: readonly string[],
  out: CommandOutput = process.stdout,
  err: CommandOutput = process.stderr,
): Promise<number> {
  if (what.length !== 1 || what[0] !== 'onnxruntime') {
    err.write("nereid setup: expected 'onnxruntime', the one thing that can be set up.\n");
    return 2;
  }
  const controller = new AbortController();
  const interrupt = () => controller.abort();
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  const progress = new ProgressLine(err);
  try {
    const library = await setupOnnxRuntime({
      signal: controller.signal,
      onProgress: (step) => progress.show(step),
    });
    progress.end();
    out.write(`ONNX Runtime: ${library}\n`);
    return 0;
  } catch (error) {
    progress.end();
    const { code, message } = ServeError.from(error);
    err.write(code === 'Cancelled' ? 'nereid setup: interrupted.\n' : `nereid setup: ${message}\n`);
    return code === 'Cancelled' ? 130 : 1;
  } finally {
    process.removeListener('SIGINT', interrupt);
    process.removeListener('SIGTERM', interrupt);
  }
}

/** One line that is rewritten on a terminal; one line per step elsewhere. */
class ProgressLine {
  readonly #err: CommandOutput;
  readonly #startedMs = Date.now();
  #step = '';
  #timer: NodeJS.Timeout | undefined;

  constructor(err: CommandOutput) {
    this.#err = err;
  }

  show({ step, bytes }: SetupProgress): void {
    if (step === 'done') return;
    const text = {
      fetch: 'Fetching ONNX Runtime (108 MiB)',
      verify: 'Checking its hash',
      extract: `Extracting ${((bytes ?? 0) / (1024 * 1024)).toFixed(0)} MiB`,
    }[step];
    if (this.#err.isTTY !== true) {
      if (step !== this.#step) this.#err.write(`${text}\n`);
      this.#step = step;
      return;
    }
    this.#step = step;
    clearInterval(this.#timer);
    const draw = () =>
      this.#err.write(`\r\x1b[K${text} … ${Math.round((Date.now() - this.#startedMs) / 1000)} s`);
    draw();
    this.#timer = setInterval(draw, 1000);
    this.#timer.unref();
  }

  end(): void {
    clearInterval(this.#timer);
    if (this.#err.isTTY === true && this.#step !== '') this.#err.write('\r\x1b[K');
  }
}
