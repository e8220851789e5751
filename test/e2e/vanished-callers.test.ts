// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startNereid } from '../support/nereid.ts';
import { ServerFacts } from '../support/server-facts.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { testDoor } from '../support/test-door.ts';
import { until } from '../support/until.ts';

/** Calls whose requests go through TypeScript; those of native are in hostile.test.ts. */
const CALLS = [
  ['native', '/v1/models/gated:predict', '{"instances":[[7]]}'],
  [
    'typescript',
    '/v2/models/gated/infer',
    '{"inputs":[{"name":"IN","datatype":"INT32","shape":[1,1],"data":[7]}]}',
  ],
] as const;

describe('a client that vanishes', () => {
  for (const [inferPath, path, body] of CALLS) {
    it(`takes its ${path} out of the queue, ${inferPath} infer path`, async () => {
      using repository = new TempRepository();
      await repository.addGate('gated');
      await using server = await startNereid({
        args: [
          `--model-repository=${repository.path}`,
          `--infer-path=${inferPath}`,
          '--enable-test-backends',
        ],
      });
      const { http } = server.endpoints;
      const post = (to: string, text: string, signal?: AbortSignal): Promise<Response> =>
        fetch(`http://${http}${to}`, { method: 'POST', body: text, signal: signal ?? null });
      const gate = (control: object) => testDoor(server.endpoints, 'gated', control);
      const facts = new ServerFacts(server);

      const first = post(path, body);
      await gate({ action: 'await', waiting: 1 });
      const abandoned = new AbortController();
      const gone = [1, 2, 3].map(() =>
        post(path, body, abandoned.signal).then(
          () => 'answered',
          () => 'gone',
        ),
      );
      await until(async () => (await facts.pending('gated')) === 3);
      abandoned.abort();
      assert.deepEqual(await Promise.all(gone), ['gone', 'gone', 'gone']);
      await until(async () => (await facts.pending('gated')) === 0);
      assert.equal(await facts.failed('gated', 'CANCELED'), 3);
      await gate({ action: 'open' });
      assert.equal((await first).status, 200);
      assert.equal((await gate({})).executed, 1);
      // Whoever stays is served.
      assert.equal((await post(path, body)).status, 200);
    });
  }
});
