// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { projectRoot, startNereid } from '../support/nereid.ts';

const python = process.env.NEREID_TEST_PYTHON ?? 'python3';
const EXAMPLES = `${projectRoot}docs/examples`;

async function run(command: string, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, { timeout: 60_000 });
  return stdout;
}

describe('docs/examples', () => {
  let server: Awaited<ReturnType<typeof startNereid>>;

  before(async () => {
    server = await startNereid({
      executable: 'nereid',
      args: [`--model-repository=${projectRoot}model_repository`],
    });
  });

  after(() => server?.stop());

  it('infer.sh asks with curl', async () => {
    const answer = JSON.parse(await run(`${EXAMPLES}/infer.sh`, [server.endpoints.http])) as {
      outputs: { name: string; data: number[] }[];
    };
    assert.deepEqual(answer.outputs.find(({ name }) => name === 'label')?.data, [7]);
  });

  it('client_http.py asks with tritonclient', async () => {
    const text = await run(python, [`${EXAMPLES}/client_http.py`, server.endpoints.http]);
    assert.match(text, /^digit 7, probability (0\.9\d\d|1\.000)\n$/);
  });

  it('client_grpc.py asks with tritonclient', async () => {
    const text = await run(python, [`${EXAMPLES}/client_grpc.py`, server.endpoints.grpc]);
    assert.match(text, /^digit 7, probability (0\.9\d\d|1\.000)\n$/);
  });

  it('in-process.ts asks without a server', async () => {
    const text = await run(process.execPath, [
      `${EXAMPLES}/in-process.ts`,
      `${projectRoot}model_repository`,
    ]);
    assert.match(text, /^digit 7, probability (0\.9\d\d|1\.000)\n$/);
  });
});
