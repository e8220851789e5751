// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { execFileSync } from 'node:child_process';
import { getPriority } from 'node:os';
import { parseArgs } from 'node:util';
import { missingTools } from './peers.ts';

export interface RunOptions {
  readonly only: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
  readonly serverCore: number;
  readonly clientCore: number;
}

/** Flags that run.ts and compare.ts share, for node:util's parseArgs. */
const RUN_FLAGS = {
  only: { type: 'string', default: '' },
  rounds: { type: 'string', default: '5' },
  seconds: { type: 'string', default: '1.2' },
  'server-core': { type: 'string', default: '0' },
  'client-core': { type: 'string', default: '1' },
  help: { type: 'boolean', default: false },
} as const;

export const RUN_FLAGS_HELP = `  --only=A,B          scenarios whose names contain A or B (default: all)
  --rounds=N          rounds per scenario (default 5; 3 is the least to quote)
  --seconds=S         wall time one measured run aims at (default 1.2)
  --server-core=N     core of the server (default 0)
  --client-core=N     core of the client (default 1)
  --help              this text`;

/** @throws Error that says which flag is wrong */
export function readRunOptions(values: Readonly<Record<string, unknown>>): RunOptions {
  const number = (flag: string, least: number) => {
    const value = Number(values[flag]);
    if (!(value >= least))
      throw new Error(`--${flag}=${values[flag]}: expected a number from ${least}`);
    return value;
  };
  const options = {
    only: splitList(String(values['only'])),
    rounds: Math.floor(number('rounds', 1)),
    seconds: number('seconds', 0.05),
    serverCore: number('server-core', 0),
    clientCore: number('client-core', 0),
  };
  if (options.serverCore === options.clientCore) {
    throw new Error(
      `server and client need a core each; both would be on core ${options.serverCore}`,
    );
  }
  return options;
}

export function splitList(text: string): string[] {
  return text.split(',').filter((part) => part !== '');
}

export function parseFlags<T extends NonNullable<Parameters<typeof parseArgs>[0]>['options']>(
  options: T,
) {
  return parseArgs({
    args: process.argv.slice(2),
    options: { ...options, ...RUN_FLAGS },
    allowPositionals: true,
  });
}

/**
 * Checks that this process may measure, and moves it to the client's core.
 * @throws Error when its priority is raised, a tool is missing or a core is not there
 */
export function prepareProcess(options: RunOptions): void {
  if (getPriority() < 0) {
    throw new Error(
      `nice is ${getPriority()}: raised priority makes Triton's thread hand-offs up to twice as dear, ` +
        'so nothing would be comparable; run at nice 0',
    );
  }
  const missing = missingTools(['taskset', 'h2load', 'cmake', 'c++', 'openssl']);
  if (missing.length > 0) {
    throw new Error(
      `${missing.join(', ')} missing: apt-get install util-linux openssl nghttp2-client libnghttp2-dev cmake g++`,
    );
  }
  for (const core of [options.serverCore, options.clientCore]) {
    // Moving there and back is the check that the core exists and is allowed.
    try {
      execFileSync('taskset', ['-acp', String(core), String(process.pid)], { stdio: 'pipe' });
    } catch {
      throw new Error(`core ${core} cannot be used here: the bench needs two cores`);
    }
  }
}
