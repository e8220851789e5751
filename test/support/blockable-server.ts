// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// A worker: serves every model of a repository until it is told `block`; then its event loop stands still until the
// cell is no longer 0.

import { parentPort, workerData } from 'node:worker_threads';
import { createServer } from '../../src/index.ts';

const { modelRepository, cell } = workerData as { modelRepository: string; cell: Int32Array };
const server = await createServer({ modelRepository, loadModels: '*' });
const at = await server.listen({ http: {}, grpc: {}, metrics: {} });
parentPort?.on('message', (message: unknown) => {
  if (message === 'block') {
    parentPort?.postMessage('blocked');
    Atomics.wait(cell, 0, 0);
  } else {
    void server.close().then(() => parentPort?.close());
  }
});
parentPort?.postMessage(
  Object.fromEntries(Object.entries(at).map(([name, { host, port }]) => [name, `${host}:${port}`])),
);
