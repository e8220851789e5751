// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { projectRoot, startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { AUDIENCE, ISSUER, TokenIssuer } from '../support/token-issuer.ts';

const run = promisify(execFile);
const python = process.env.NEREID_TEST_PYTHON ?? 'python3';

const CONFIG = `backend: "parameters"
max_batch_size: 0
input { name: "IN" data_type: TYPE_INT32 dims: [ -1 ] }
output { name: "PARAMS" data_type: TYPE_STRING dims: [ 1 ] }
`;

describe('keys, restrictions and forwarded headers', () => {
  const repository = new TempRepository();
  const folder = mkdtempSync(join(tmpdir(), 'nereid-clients-'));
  let issuer: TokenIssuer;
  let server: Awaited<ReturnType<typeof startNereid>>;

  before(async () => {
    for (const model of ['m', 'other']) {
      await repository.write(`${model}/config.pbtxt`, CONFIG);
      await repository.write(`${model}/1/empty`, '');
    }
    const key = { key: 'a-key-of-some-length', scopes: ['infer'], models: ['m'] };
    writeFileSync(join(folder, 'keys'), JSON.stringify(key));
    issuer = await TokenIssuer.start();
    server = await startNereid({
      args: [
        `--model-repository=${repository.path}`,
        '--enable-test-backends',
        '--http-restricted-api=inference:Secret-Key=secret',
        '--grpc-restricted-protocol=inference:secret-key=secret',
        '--http-header-forward-pattern=x-trace-id|timeout',
        '--grpc-header-forward-pattern=x-trace-id',
        `--api-keys-file=${join(folder, 'keys')}`,
        `--jwt-jwks-url=${issuer.url}`,
        `--jwt-issuer=${ISSUER}`,
        `--jwt-audience=${AUDIENCE}`,
        '--jwt-models-claim=models',
      ],
    });
  });

  after(async () => {
    await server?.stop();
    await issuer?.[Symbol.asyncDispose]();
    repository[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  it('work through the unmodified tritonclient', async () => {
    const { http, grpc } = server.endpoints;
    const token = await issuer.token({ models: ['m'] });
    await run(python, [`${projectRoot}test/e2e/access_clients.py`, http, grpc, token]);
  });

  it('work through curl', async () => {
    const url = `http://${server.endpoints.http}/v2/models/m/infer`;
    const data = '{"inputs":[{"name":"IN","shape":[1],"datatype":"INT32","data":[1]}]}';
    const curl = async (...headers: string[]): Promise<string> => {
      const args = ['-s', '-w', ' %{http_code}', url, '-d', data];
      for (const header of headers) args.push('-H', header);
      return (await run('curl', args)).stdout;
    };
    const good = ['x-api-key: a-key-of-some-length', 'secret-key: secret'];
    assert.match(
      await curl(...good, 'X-Trace-Id: c'),
      /"data":\["\{\\"X-Trace-Id\\":\\"c\\"\}"\].* 200$/,
    );
    assert.match(await curl('secret-key: secret'), /an API key or a token is needed.* 401$/);
    assert.match(await curl('secret-key: secre'), /expecting header 'Secret-Key'.* 403$/);
  });
});
