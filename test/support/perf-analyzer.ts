// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { execFile } from 'node:child_process';
import { chmodSync, globSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { projectRoot } from './nereid.ts';

const run = promisify(execFile);

/** Triton's load generator as NVIDIA built it. */
export interface PerfAnalyzer {
  readonly program: string;
  readonly libraries: string;
}

/** What one measurement told. Counts are requests. */
export interface Measurement {
  /** sent and answered */
  readonly requests: number;
  /** answered with an error; 0 when the text has no such line */
  readonly failed: number;
  /** of the server's statistics, between its two looks at them; NaN when it has read none */
  readonly serverRequests: number;
  readonly text: string;
}

const NEEDED = { 'libb64.so.0d': 'libb64-*.so.0d', 'libcudart.so.12': 'libcudart-*.so.12.*' };
const FIND_LIBRARIES =
  'import sysconfig; print(sysconfig.get_path("purelib") + "/nvidia_pytriton.libs")';

/**
 * Takes the program out of its wheel.
 * @param python the interpreter that has test/requirements-triton.txt installed
 * @param folder an empty folder
 * @returns the reason where this machine cannot have it
 */
export async function preparePerfAnalyzer(
  python: string,
  folder: string,
): Promise<PerfAnalyzer | string> {
  const wheelLibraries = (await run(python, ['-c', FIND_LIBRARIES])).stdout.trim();
  const libraries = join(folder, 'lib');
  mkdirSync(libraries);
  for (const [name, pattern] of Object.entries(NEEDED)) {
    const [found] = globSync(pattern, { cwd: wheelLibraries });
    if (found === undefined) return `needs ${name} of nvidia-pytriton`;
    symlinkSync(join(wheelLibraries, found), join(libraries, name));
  }
  try {
    await run(python, [
      ...['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-input'],
      ...['--no-deps', '--only-binary=:all:', '--platform=manylinux1_x86_64', '--require-hashes'],
      ...[`--dest=${folder}`, `--requirement=${projectRoot}test/requirements-perf-analyzer.txt`],
    ]);
  } catch {
    return 'needs the wheel of test/requirements-perf-analyzer.txt';
  }
  const [wheel = ''] = globSync('tritonclient-*.whl', { cwd: folder });
  await run(python, ['-m', 'zipfile', '--extract', join(folder, wheel), folder]);
  const program = join(folder, 'tritonclient-2.46.0.data/data/bin/perf_analyzer');
  chmodSync(program, 0o755);
  return { program, libraries };
}

/** It did not end. Once in some hundred runs it sleeps for ever when its threads have all their answers. */
export class StuckError extends Error {}

const PATIENCE_MS = 30_000;

/**
 * Runs it with a number of requests instead of a time.
 * @throws StuckError when it does not end, Error when it fails; both with its output
 */
export async function measure(
  { program, libraries }: PerfAnalyzer,
  args: readonly string[],
): Promise<Measurement> {
  const env = { ...process.env, LD_LIBRARY_PATH: libraries };
  const { stdout, stderr } = await run(program, args, { env, timeout: PATIENCE_MS }).catch(
    (error: unknown) => {
      const { stdout: out, stderr: err, killed } = error as Record<string, unknown>;
      const Kind = killed === true ? StuckError : Error;
      throw new Kind(`perf_analyzer ${args.join(' ')}\n${out}${err}`, { cause: error });
    },
  );
  const text = stdout + stderr;
  const count = (label: RegExp): number | undefined => {
    const digits = new RegExp(`${label.source}: (\\d+)`).exec(text)?.[1];
    return digits === undefined ? undefined : Number(digits);
  };
  return {
    requests: count(/\bRequest count/) ?? 0,
    failed: count(/Failed Request Count/i) ?? 0,
    serverRequests: count(/Successful request count/) ?? Number.NaN,
    text,
  };
}
