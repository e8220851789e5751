// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { testDoor } from '../support/test-door.ts';
import { until } from '../support/until.ts';

const CLOSED = 'parameters { key: "closed" value { string_value: "true" } }';
const PENDING = /nv_inference_pending_request_count\{model="gated",version="1"\} (\d+)/;
const CANCELED =
  /nv_inference_request_failure\{model="gated",reason="CANCELED",version="1"\} (\d+)/;

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
      await repository.add('gated', 'gate', [1], CLOSED);
      await using server = await startNereid({
        args: [
          `--model-repository=${repository.path}`,
          `--infer-path=${inferPath}`,
          '--enable-test-backends',
        ],
      });
      const { http, metrics } = server.endpoints;
      const post = (to: string, text: string, signal?: AbortSignal): Promise<Response> =>
        fetch(`http://${http}${to}`, { method: 'POST', body: text, signal: signal ?? null });
      const gate = (control: object) => testDoor(server.endpoints, 'gated', control);
      const metric = async (line: RegExp): Promise<number> =>
        Number(line.exec(await (await fetch(`http://${metrics}/metrics`)).text())?.[1]);

      const first = post(path, body);
      await gate({ action: 'await', waiting: 1 });
      const abandoned = new AbortController();
      const gone = [1, 2, 3].map(() =>
        post(path, body, abandoned.signal).then(
          () => 'answered',
          () => 'gone',
        ),
      );
      await until(async () => (await metric(PENDING)) === 3);
      abandoned.abort();
      assert.deepEqual(await Promise.all(gone), ['gone', 'gone', 'gone']);
      await until(async () => (await metric(PENDING)) === 0);
      assert.equal(await metric(CANCELED), 3);
      await gate({ action: 'open' });
      assert.equal((await first).status, 200);
      assert.equal((await gate({})).executed, 1);
      // Whoever stays is served.
      assert.equal((await post(path, body)).status, 200);
    });
  }
});
