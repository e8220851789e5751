// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { fileURLToPath } from 'node:url';
import { type Endpoints, ServerProcess } from './server-process.ts';

export const projectRoot = fileURLToPath(new URL('../..', import.meta.url));

export interface NereidOptions {
  readonly name?: string;
  /** Arguments after those for addresses and ports. */
  readonly args: readonly string[];
  /** The executable in bin/; `tritonserver` when left out. */
  readonly executable?: 'tritonserver' | 'nereid';
  readonly env?: NodeJS.ProcessEnv;
  readonly startTimeoutMs?: number;
}

/** Starts Nereid from this clone on free loopback ports, under the Node that runs the test. */
export async function startNereid(
  options: NereidOptions,
): Promise<ServerProcess & { endpoints: Endpoints }> {
  const executable = options.executable ?? 'tritonserver';
  return ServerProcess.start({
    name: options.name ?? 'nereid',
    command: process.execPath,
    args: [
      `${projectRoot}bin/${executable}`,
      ...(executable === 'nereid' ? ['serve'] : []),
      '--http-address=127.0.0.1',
      '--grpc-address=127.0.0.1',
      '--metrics-address=127.0.0.1',
      '--http-port=0',
      '--grpc-port=0',
      '--metrics-port=0',
      ...options.args,
    ],
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.startTimeoutMs === undefined ? {} : { startTimeoutMs: options.startTimeoutMs }),
  });
}
