// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { projectRoot, startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function nereid(...args: string[]): Promise<Outcome> {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [
      `${projectRoot}bin/nereid`,
      ...args,
    ]);
    return { code: 0, out: stdout, err: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: stdout, err: stderr };
  }
}

describe('nereid against a running server', () => {
  const repository = new TempRepository();
  let server: Awaited<ReturnType<typeof startNereid>>;
  let url: string;

  before(async () => {
    await repository.addIdentity('spare');
    server = await startNereid({
      executable: 'nereid',
      args: [
        `--model-repository=${projectRoot}model_repository`,
        `--model-repository=${repository.path}`,
        '--model-control-mode=explicit',
        '--load-model=digits',
        '--load-model=simple',
      ],
    });
    url = `--url=http://${server.endpoints.http}`;
  });

  after(async () => {
    await server?.stop();
    repository[Symbol.dispose]();
  });

  it('infer reads an image', async () => {
    for (const digit of ['0', '7', '9']) {
      const image = `${projectRoot}docs/examples/digits/${digit}.png`;
      const { code, out, err } = await nereid('infer', 'digits', image, url);
      assert.equal(code, 0, err);
      assert.match(out, new RegExp(`^digits version 1\nlabel  ${digit}\nprobabilities  `));
    }
  });

  it('infer sends a request from a file and prints the answer as it is', async () => {
    const request = `${projectRoot}docs/examples/digits/7.json`;
    const { code, out } = await nereid('infer', 'digits', request, url, '--json');
    assert.equal(code, 0);
    const { outputs } = JSON.parse(out) as { outputs: { name: string; data: number[] }[] };
    assert.deepEqual(outputs.find(({ name }) => name === 'label')?.data, [7]);
  });

  it('infer takes values and fits their shape', async () => {
    const values = Array.from({ length: 16 }, (_, i) => i).join();
    const { code, out, err } = await nereid(
      'infer',
      'simple',
      '--input',
      `INPUT0=${values}`,
      '--input',
      `INPUT1=${values}`,
      url,
    );
    assert.equal(code, 0, err);
    assert.match(out, /^OUTPUT0 {2}0 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30$/m);
  });

  it('infer says what is wrong in the words of the server', async () => {
    const unknown = await nereid('infer', 'nobody', '--input', 'x=1', url);
    assert.deepEqual(
      [unknown.code, unknown.err],
      [1, "nereid infer: Request for unknown model: 'nobody' is not found\n"],
    );
    const noFile = await nereid('infer', 'digits', 'nothing.png', url);
    assert.deepEqual(
      [noFile.code, noFile.err],
      [1, "nereid infer: cannot read 'nothing.png': ENOENT\n"],
    );
    const noInput = await nereid('infer', 'simple', '--input', 'X=1', url);
    assert.match(noInput.err, /expected NAME=VALUES with one of the names INPUT0, INPUT1/);
  });

  it('models lists, loads and unloads', async () => {
    assert.match((await nereid('models', url)).out, /^spare +- +not loaded$/m);
    assert.deepEqual(await nereid('models', 'load', 'spare', url), {
      code: 0,
      out: 'spare: loaded\n',
      err: '',
    });
    assert.match((await nereid('models', url)).out, /^spare +1 +READY$/m);
    assert.equal((await nereid('models', 'unload', 'spare', url)).out, 'spare: unloaded\n');
    const rows = JSON.parse((await nereid('models', url, '--json')).out) as { name: string }[];
    assert.ok(rows.some(({ name }) => name === 'spare'));
    const failed = await nereid('models', 'load', 'nobody', url);
    assert.equal(failed.code, 1);
    assert.match(failed.err, /^nereid models: failed to load 'nobody'/);
  });
});
