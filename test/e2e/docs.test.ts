// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { projectRoot, startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';

const python = process.env['NEREID_TEST_PYTHON'] ?? 'python3';

const model = (type: string, dims: string, batch = 8): string => `backend: "identity"
max_batch_size: ${batch}
input [{ name: "IN's" data_type: TYPE_${type} dims: ${dims} }]
output [{ name: "OUT" data_type: TYPE_${type} dims: ${dims} }]
`;

const MODELS: Readonly<Record<string, string>> = {
  small: model('FP32', '[ -1, 2 ]'),
  "it's <b>": model('INT64', '[ 2 ]', 0),
  text: model('STRING', '[ 1 ]'),
  large: model('FP32', '[ 3, 224, 224 ]'),
  large_text: model('STRING', '[ 1000 ]'),
  half: model('FP16', '[ 4 ]'),
  flags: model('BOOL', '[ 3 ]'),
};

const fromHtml = (html: string): string =>
  html
    .replaceAll('&#39;', "'")
    .replaceAll('&quot;', '"')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');

describe('pages and OpenAPI documents', () => {
  const repository = new TempRepository();
  let server: Awaited<ReturnType<typeof startNereid>>;
  const get = async (path: string): Promise<string> => {
    const response = await fetch(`http://${server.endpoints.http}${path}`);
    assert.equal(response.status, 200, path);
    return response.text();
  };
  const pathOf = (name: string): string => `/v2/models/${encodeURIComponent(name)}/docs`;

  before(async () => {
    for (const [name, config] of Object.entries(MODELS)) {
      await repository.write(`${name}/config.pbtxt`, config);
      await repository.write(`${name}/1/any`, '');
    }
    server = await startNereid({
      executable: 'nereid',
      // Half-precision tensors go as bytes then.
      args: [`--model-repository=${repository.path}`, '--json-fp16=false'],
    });
  });
  after(async () => {
    await server?.stop();
    repository[Symbol.dispose]();
  });

  it('are documents that a validator takes, with examples that fit', async () => {
    const documents = [await get('/v2/docs/openapi.json')];
    for (const name of Object.keys(MODELS))
      documents.push(await get(`${pathOf(name)}/openapi.json`));
    const validator = spawn(python, [join(projectRoot, 'test/e2e/validate_openapi.py')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    validator.stdin.end(documents.join('\n'));
    const output = text(validator.stdout);
    const [code] = await once(validator, 'exit');
    assert.equal(code, 0);
    // One for each model whose request is JSON alone.
    assert.equal((await output).trim(), '4 examples');
  });

  it('name every HTTP route of the server that is on', async () => {
    const { paths } = JSON.parse(await get('/v2/docs/openapi.json')) as { paths: object };
    for (const path of [
      '/v2/models/{model_name}/versions/{model_version}/infer',
      '/v2/repository/models/{model_name}/load',
      '/v2/repository/{name}/index',
      '/v1/models/{model_name}:predict',
      '/v2/docs',
    ]) {
      assert.ok(path in paths, path);
    }
    assert.ok(!Object.keys(paths).some((path) => path.startsWith('/v2/test')));
  });

  it('list the models, each with its page', async () => {
    const page = await get('/v2/docs');
    for (const name of Object.keys(MODELS)) {
      assert.ok(fromHtml(page).includes(`href="${pathOf(name)}"`), name);
    }
  });

  for (const name of Object.keys(MODELS)) {
    it(`show a command that works: ${name}`, async () => {
      const page = await get(pathOf(name));
      const command = fromHtml(/<pre><code>(.*?)<\/code><\/pre>/s.exec(page)?.[1] ?? '');
      assert.match(command, new RegExp(`http://${server.endpoints.http}/`));
      const quick = `${command.replace('--output answer.bin', '--output -')} | head -c 2000`;
      const { stdout } = await promisify(execFile)('sh', ['-c', quick]);
      assert.match(stdout, /"model_version":"1".*"outputs":\[/s, command);
    });
  }
});
