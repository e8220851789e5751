// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { Agent, request } from 'node:http';
import { it } from 'node:test';
import { startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';

const CLIENTS = 16;

it('answers every request that reaches it while it stops', async () => {
  using repository = new TempRepository();
  await repository.addIdentity('steady');
  await using server = await startNereid({ args: [`--model-repository=${repository.path}`] });
  const [host = '', port = ''] = server.endpoints.http.split(':');

  /** One request on the agent's kept connection, or on a new one. */
  const infer = (agent: Agent, value: number): Promise<{ status: number; text: string }> =>
    new Promise((resolve, reject) => {
      const body = JSON.stringify({
        inputs: [{ name: 'IN', datatype: 'INT32', shape: [1, 1], data: [value] }],
      });
      const sent = request(
        { host, port, agent, method: 'POST', path: '/v2/models/steady/infer' },
        (response) => {
          let text = '';
          response.on('data', (piece) => {
            text += piece;
          });
          response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
          response.on('error', reject);
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });

  let answered = 0;
  const endings = Array.from({ length: CLIENTS }, async (_, client) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; ; i++) {
      const value = client * 1_000_000 + i;
      try {
        const { status, text } = await infer(agent, value);
        assert.equal(status, 200, text);
        assert.match(text, new RegExp(`"data":\\[${value}\\]`));
        answered++;
        if (answered === 50 * CLIENTS) process.kill(server.pid ?? 0, 'SIGTERM');
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
        return (error as NodeJS.ErrnoException).code;
      }
    }
  });
  // Each client ends when a new connection is refused; none had a request broken off.
  assert.deepEqual(new Set(await Promise.all(endings)), new Set(['ECONNREFUSED']));
  assert.deepEqual(await server.exited, { code: 0, signal: null });
});
