// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { makePayload } from './payload.ts';
import { REGION, Region } from './region.ts';
import { loadScenarios } from './scenario.ts';

describe('the region of a run', () => {
  const register = async (status: number) => {
    const bodies: string[] = [];
    const server = createServer((request, reply) => {
      request.on('data', (piece: Buffer) => bodies.push(String(piece)));
      request.on('end', () => reply.writeHead(status).end('why'));
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    try {
      const port = (server.address() as AddressInfo).port;
      const region = await Region.register(port, Uint8Array.of(1, 2, 3));
      return { region, asked: JSON.parse(bodies.join('')) as { key: string; byte_size: number } };
    } finally {
      server.close();
    }
  };

  it('holds the input, then the output, which is forgotten once it was taken', async () => {
    const { region, asked } = await register(200);
    const path = `/dev/shm${asked.key}`;
    {
      using _ = region;
      assert.equal(asked.byte_size, 6);
      assert.deepEqual([...readFileSync(path)], [1, 2, 3, 0, 0, 0]);
      const file = openSync(path, 'r+');
      writeSync(file, Uint8Array.of(7, 8, 9), 0, 3, 3);
      closeSync(file);
      assert.deepEqual([...region.takeOutput()], [7, 8, 9]);
      assert.deepEqual([...region.takeOutput()], [0, 0, 0]);
    }
    assert.equal(existsSync(path), false);
  });

  it('is gone when the server refuses it', async () => {
    await assert.rejects(register(501), /region\/bench\/register: 501 why/);
    assert.equal(existsSync(`/dev/shm/nereid-bench-${process.pid}`), false);
  });

  it('is all that the request of the scenario names', () => {
    const [scenario] = loadScenarios(['shared-memory']);
    assert.ok(scenario);
    const { body } = makePayload(scenario);
    assert.ok(body.length < 500, `${body.length} bytes`);
    assert.equal(body.toString('latin1').split(REGION).length - 1, 2);
  });
});
