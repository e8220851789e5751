// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

// Below the range from which the kernel takes ports for connections and for port 0 (Linux: 32768 and up), so that none
// of those can take a port between our look and the server's start.
const FIRST_PORT = 20_000;
const LAST_PORT = 32_767;
const MOST_TRIES = 1000;

/**
 * Ports of 127.0.0.1 that nothing listens on now, all different. Only for servers that cannot choose a port themselves;
 * Nereid is started on port 0.
 */
export async function freePorts(count: number): Promise<number[]> {
  const held = new Map<number, Server>();
  for (let tries = 0; held.size < count; tries++) {
    if (tries === MOST_TRIES) throw new Error('no free port on 127.0.0.1');
    const port = randomInt(FIRST_PORT, LAST_PORT + 1);
    if (held.has(port)) continue;
    const server = await hold(port);
    if (server !== undefined) held.set(port, server);
  }
  for (const server of held.values()) {
    server.close();
    await once(server, 'close');
  }
  return [...held.keys()];
}

/** Listens on the port; undefined when it is taken. */
async function hold(port: number): Promise<Server | undefined> {
  const server = createServer();
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
    return server;
  } catch {
    return undefined;
  }
}
