// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { Finding } from '../../src/check/finding.ts';
import { TABLE, TABLE_FLAGS, type TableModel } from '../support/broken-models.ts';
import { askHttp } from '../support/http-client.ts';
import { projectRoot, startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';

const MODEL = join(projectRoot, 'model_repository/simple/1/model.onnx');

async function add(repository: TempRepository, { name, files }: TableModel): Promise<void> {
  for (const [file, content] of Object.entries(files)) {
    const path = join(repository.path, name, file);
    if (typeof content === 'string') await repository.write(`${name}/${file}`, content);
    else if (content.is === 'folder') mkdirSync(path, { recursive: true });
    else {
      mkdirSync(dirname(path), { recursive: true });
      copyFileSync(MODEL, path);
    }
  }
}

/** Where a check knows more than the load says, or says it of the folder. */
const OTHER_WORDS = [
  'file_missing',
  'file_outside',
  'file_second',
  'file_text',
  'flow_broken',
  'flow_outer',
  'flow_unknown',
  'version_missing',
  'version_policy',
  'version_zero',
];

/** The errors of a check by model; what it says of the whole repository under the empty name. */
async function check(path: string, flags: readonly string[]): Promise<Map<string, Finding[]>> {
  const words = [join(projectRoot, 'bin/nereid'), 'check', path, '--format=json', ...flags];
  const ended = await promisify(execFile)(process.execPath, words, { maxBuffer: 1 << 24 }).catch(
    (error: { stdout: string; stderr: string }) => error,
  );
  const { findings } = JSON.parse(ended.stdout) as { findings: Finding[] };
  const errors = findings.filter(({ severity }) => severity === 'error');
  return Map.groupBy(errors, ({ model }) => model ?? '');
}

/** What loads answer, by model; empty where it serves. */
async function loadAll(path: string, flags: readonly string[]): Promise<Map<string, string>> {
  await using server = await startNereid({
    executable: 'nereid',
    args: [`--model-repository=${path}`, '--model-control-mode=explicit', ...flags],
  });
  const answers = new Map<string, string>();
  for (const { name } of TABLE) {
    const { status, body } = await askHttp(
      server.endpoints.http,
      'POST',
      `/v2/repository/models/${name}/load`,
    );
    answers.set(name, status === 200 ? '' : (JSON.parse(body) as { error: string }).error);
  }
  return answers;
}

describe('nereid check beside the loads of a server', { timeout: 300_000 }, () => {
  const repository = new TempRepository();
  let errors: Map<string, Finding[]>;
  let answers: Map<string, string>;

  before(async () => {
    for (const model of TABLE) await add(repository, model);
    // It holds each name once, so that a table with a name twice cannot hide one.
    assert.equal(new Set(TABLE.map(({ name }) => name)).size, TABLE.length);
    errors = await check(repository.path, TABLE_FLAGS);
    answers = await loadAll(repository.path, TABLE_FLAGS);
  });
  after(() => repository[Symbol.dispose]());

  it('reports what a load refuses, and nothing else', () => {
    const refused = TABLE.map(({ name }) => name).filter((name) => answers.get(name) !== '');
    assert.deepEqual(
      refused,
      TABLE.map(({ name }) => name).filter((name) => !name.startsWith('good')),
    );
    assert.deepEqual([...errors.keys()].sort(), refused.toSorted());
  });

  const servers: readonly (readonly string[])[] = [
    [],
    ['--disable-auto-complete-config'],
    ['--rate-limit=execution_count'],
    ['--backend-config=default-max-batch-size=0', '--model-config-name=small'],
  ];
  for (const flags of servers) {
    it(`does so for a server with ${flags.join(' ') || 'no flags'}`, async () => {
      const [found, loaded] = [
        await check(repository.path, flags),
        await loadAll(repository.path, flags),
      ];
      const refused = [...loaded].filter(([, answer]) => answer !== '').map(([name]) => name);
      assert.deepEqual([...found.keys()].sort(), refused.sort());
    });
  }

  it('says it in the words of the load', () => {
    const unlike = [...errors.keys()].filter(
      (model) => !errors.get(model)?.some(({ message }) => answers.get(model)?.includes(message)),
    );
    assert.deepEqual(unlike.sort(), OTHER_WORDS);
  });
});

const IO = `"input": [{"name": "IN", "data_type": "TYPE_INT32", "dims": [-1]}],
  "output": [{"name": "OUT", "data_type": "TYPE_INT32", "dims": ["-1"]}]`;

/** Configurations of a load for the same model, with the fields that are wrong in the order of the text. */
const OVERRIDES: readonly (readonly [json: string, fields: readonly string[]])[] = [
  [`{"backend": "identity", "maxBatchSize": 4, ${IO}}`, []],
  [`{"backend": "identity",\n "max_batchsize": 4, ${IO}}`, ['max_batchsize']],
  [
    `{"backend": "identity", ${IO},
  "instance_group": [{"kind": "KIND_CPU", "count": "two"}, {"kind": "CPU"}],
  "parameters": {"admission": {"string_value": "no"}, "x": 1}}`,
    [
      'instance_group[0].count',
      'instance_group[1].kind',
      'parameters["admission"]',
      'parameters["x"]',
    ],
  ],
  [`{"backend": "identity", ${IO.replace('["-1"]', '["-1", 0]')}}`, ['output[0].dims[1]']],
  [
    `{"backend": "identity", ${IO},\n  "dynamic_batching": {}, "parameters": {"latency_target_ms": {"string_value": "no"}}}`,
    ['parameters["latency_target_ms"]'],
  ],
  [`{"backend": "identity", ${IO}`, ['']],
  [`{"backend": "onnxruntime", ${IO}}`, ['default_model_filename', 'backend']],
  ['[]', ['']],
];

describe('nereid check of a configuration in JSON', { timeout: 120_000 }, () => {
  it('tells every error of it with its place, in the words of a load with that configuration', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    await using server = await startNereid({
      executable: 'nereid',
      args: [`--model-repository=${repository.path}`, '--model-control-mode=explicit'],
    });
    for (const [json, fields] of OVERRIDES) {
      await repository.write('over.json', json);
      const found = await check(repository.path, [`--override=m=${repository.path}/over.json`]);
      const errors = found.get('m') ?? [];
      assert.deepEqual(
        errors.map(({ field }) => field),
        fields,
        json,
      );
      const { status, body } = await askHttp(
        server.endpoints.http,
        'POST',
        '/v2/repository/models/m/load',
        { body: JSON.stringify({ parameters: { config: json } }) },
      );
      assert.equal(status === 200, fields.length === 0, body);
      if (fields.length === 0) continue;
      const { error } = JSON.parse(body) as { error: string };
      const same = errors.find(({ message }) => error.includes(message));
      assert.ok(same !== undefined, error);
      assert.equal(same.file, `${repository.path}/over.json`);
      const place = /config:(\d+):(\d+):/.exec(error);
      if (place !== null)
        assert.deepEqual([String(same.line), String(same.column)], place.slice(1), error);
    }
  });

  it('says that there is no such model', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    await repository.write('over.json', '{}');
    const found = await check(repository.path, [`--override=n=${repository.path}/over.json`]);
    assert.deepEqual(
      found.get('')?.map(({ code }) => code),
      ['config-ignored'],
    );
  });
});
