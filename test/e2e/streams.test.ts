// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { projectRoot, startNereid } from '../support/nereid.ts';
import type { Endpoints, ServerProcess } from '../support/server-process.ts';
import { TempRepository } from '../support/temp-repository.ts';

const python = process.env['NEREID_TEST_PYTHON'] ?? 'python3';
const SCRIPT = join(projectRoot, 'test/e2e/streams.py');

const CHECKS: readonly [name: string, check: string][] = [
  ['answers a thousand requests in their order', 'answers_in_order'],
  ['keeps the order of models that answer once, and of no other', 'keeps_order'],
  ['marks final responses, empty ones where they are wanted', 'decoupled'],
  ['goes on behind errors', 'errors'],
  ['ends with a status at an error, where the client asks for it', 'grpc_errors'],
  ['reads compressed messages', 'compressed'],
  ['serves the asyncio client', 'asynchronous'],
  ['stops what a client cancels', 'cancels'],
  ['takes requests out of the queue at the deadline', 'deadline'],
  ['stops for a client that is killed', 'killed_client'],
  ['sends a hundred thousand small responses', 'hundred_thousand'],
  ['holds a model whose reader stands still', 'slow_reader'],
  ['tells changes of health', 'watches'],
  ['describes itself to a client that knows nothing', 'reflects'],
];

const decoupled = (responses: number, more = ''): string => `
model_transaction_policy { decoupled: true }
parameters { key: "responses" value { string_value: "${responses}" } }
${more}`;

for (const [inferPath, checks] of [
  ['native', CHECKS],
  // The same code serves streams there.
  ['typescript', CHECKS.slice(0, 5)],
] as const) {
  describe(`gRPC streams, --infer-path=${inferPath}`, () => {
    const repository = new TempRepository();
    let server: ServerProcess & { endpoints: Endpoints };

    before(async () => {
      await repository.addIdentity('m');
      await repository.add('gate', 'gate', [1], 'instance_group { count: 1 kind: KIND_CPU }');
      const emptyFinal = 'parameters { key: "empty_final" value { string_value: "true" } }';
      await repository.add('three', 'stream', [1], decoupled(3, emptyFinal));
      const failAt = 'parameters { key: "fail_at" value { string_value: "2" } }';
      await repository.add('broken', 'stream', [1], decoupled(3, failAt));
      await repository.add('many', 'stream', [1], decoupled(100_000));
      await repository.add('endless', 'stream', [1], decoupled(2 ** 53));
      await repository.add('bad', 'stream');
      server = await startNereid({
        args: [
          `--model-repository=${repository.path}`,
          '--model-control-mode=explicit',
          ...['m', 'gate', 'three', 'broken', 'many', 'endless'].map((m) => `--load-model=${m}`),
          '--enable-test-backends',
          `--infer-path=${inferPath}`,
        ],
      });
    });

    after(async () => {
      await server?.stop();
      repository[Symbol.dispose]();
    });

    for (const [name, check] of checks) {
      it(name, async () => {
        const { grpc, http } = server.endpoints;
        await promisify(execFile)(python, [SCRIPT, check, grpc, http]);
        assert.equal(server.hasExited, false);
      });
    }
  });
}

it('ends although streams are open and models wait for a reader that stands still', async () => {
  using repository = new TempRepository();
  await repository.add('endless', 'stream', [1], decoupled(2 ** 53));
  const server = await startNereid({
    args: [
      `--model-repository=${repository.path}`,
      '--enable-test-backends',
      '--exit-timeout-secs=1',
    ],
  });
  const script = `
import sys
sys.argv[0] = ${JSON.stringify(SCRIPT)}
sys.path.insert(0, ${JSON.stringify(join(projectRoot, 'test/e2e'))})
import streams
call = streams.raw_stream(sys.argv[1], ("endless", 1024))
next(call)
idle = streams.raw_stream(sys.argv[1])
print("reading", flush=True)
sys.stdin.read()
`;
  const child = execFile(python, ['-c', script, server.endpoints.grpc]);
  try {
    const line = await new Promise((resolve) => child.stdout?.once('data', resolve));
    assert.match(String(line), /reading/);
    await server.stop();
    assert.equal(server.hasExited, true);
  } finally {
    child.kill('SIGKILL');
    await server.stop(0);
  }
});
