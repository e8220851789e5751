// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { FINDING_CODES } from '../../src/check/finding.ts';
import { CHECK_HELP } from '../../src/cli/check.ts';
import { readModelConfig } from '../../src/config/read.ts';
import { modelConfigJson } from '../../src/config/write.ts';
import { projectRoot } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';

const python = process.env['NEREID_TEST_PYTHON'] ?? 'python3';
const page = readFileSync(join(projectRoot, 'docs/check.md'), 'utf8');

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs in `cwd`, so that what is printed has no temporary names. */
async function check(args: readonly string[], cwd = projectRoot): Promise<Outcome> {
  const words = [join(projectRoot, 'bin/nereid'), 'check', ...args];
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, words, { cwd });
    return { code: 0, out: stdout, err: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: stdout, err: stderr };
  }
}

function addDigits(folder: string): void {
  mkdirSync(folder, { recursive: true });
  copyFileSync(
    join(projectRoot, 'model_repository/digits/1/model.onnx'),
    join(folder, 'model.onnx'),
  );
}

const GOOD = `backend: "identity"
max_batch_size: 8
input [ { name: "x" data_type: TYPE_FP32 dims: [ 3 ] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ 3 ] } ]
`;

describe('nereid check', () => {
  it('finds nothing wrong with the examples', async () => {
    assert.deepEqual(await check(['model_repository', '--strict']), {
      code: 0,
      out: 'checked 4 models in 1 repository: 0 errors, 0 warnings\n',
      err: '',
    });
  });

  it('prints what docs/check.md shows', async () => {
    using repository = new TempRepository();
    await repository.write(
      'models/photo/config.pbtxt',
      [
        'max_batchsize: 16',
        'input [ { name: "image" data_type: FP32 dims: [ 8, 8 ] } ]',
        'output [ { name: "label" data_type: TYPE_INT64 dims: [ 1 ] } ]',
        '',
      ].join('\n'),
    );
    addDigits(join(repository.path, 'models/photo/1'));
    const { code, out } = await check(['models'], repository.path);
    assert.equal(code, 1);
    const shown = /```\n(models\/photo[^`]*)```/.exec(page)?.[1];
    assert.equal(out, shown);
  });

  it('prints what its help shows', async () => {
    using repository = new TempRepository();
    const config = GOOD.replace('max_batch_size: 8', 'max_batchsize: 16');
    await repository.write('models/digits/config.pbtxt', config);
    await repository.write('models/digits/1/none', '');
    for (const name of ['a', 'b', 'c']) await repository.addIdentity(`models/${name}`);
    const { out } = await check(['models'], repository.path);
    const shown = CHECK_HELP.slice(CHECK_HELP.indexOf('  models/digits')).replace(/^ {2}/gm, '');
    assert.equal(out, shown);
  });

  it('says everything in JSON too, with the fields and codes of docs/check.md', async () => {
    using repository = new TempRepository();
    await repository.write('models/a/config.pbtxt', `${GOOD}runtime: "mine.so"\n`);
    await repository.write('models/a/1/none', '');
    const { code, out } = await check(['models', '--format=json'], repository.path);
    assert.equal(code, 1);
    const finding = {
      line: 5,
      column: 1,
      field: 'runtime',
      notes: [],
      source: { text: 'runtime: "mine.so"', length: 18 },
      fix: null,
      severity: 'error',
      code: 'unsupported-feature',
      repository: 'models',
      model: 'a',
      message:
        "model 'a' asks for a backend library of its own (runtime), which this server does not support yet",
      file: 'models/a/config.pbtxt',
    };
    const report = {
      version: 1,
      repositories: ['models'],
      models: 1,
      errors: 1,
      warnings: 0,
      findings: [finding],
    };
    assert.deepEqual(JSON.parse(out), report);
    const words = [...Object.keys(report), ...Object.keys(finding), ...FINDING_CODES];
    assert.deepEqual(
      words.filter((word) => !page.includes(`\`${word}\``)),
      [],
    );
  });

  it('ends with 1 for warnings only when asked to', async () => {
    using repository = new TempRepository();
    await repository.write('a/config.pbtxt', `${GOOD}optimization { eager_batching: true }\n`);
    await repository.write('a/1/none', '');
    const { code, out } = await check([repository.path]);
    assert.equal(code, 0, out);
    assert.match(out, /checked 1 model in 1 repository: 0 errors, 1 warning\n$/);
    assert.equal((await check([repository.path, '--strict'])).code, 1);
  });

  it('ends with 2 for wrong words, and says which', async () => {
    for (const [args, reason] of [
      [[], 'nereid check: expected a repository'],
      [['s3://'], "nereid check: model repository 's3://': expected s3://bucket/path"],
      [['models', '--override=m'], "expected --override=MODEL=FILE, got 'm'"],
      [['models', '--format=xml'], "expected --format=text or --format=json, got 'xml'"],
      [['models', '--fromat=json'], '--fromat'],
      [['models', '--schema'], 'expected --schema alone'],
      [['models', '--rate-limit=sometimes'], 'Bad option: "--rate-limit"'],
    ] as const) {
      const { code, out, err } = await check(args);
      assert.deepEqual([code, out], [2, '']);
      assert.ok(err.includes(reason), err);
    }
  });

  it('checks the rest where a repository cannot be read, and where ONNX Runtime is missing', async () => {
    const words = ['absent', 'model_repository', '--onnxruntime-library=/absent.so'];
    const { code, out } = await check(words);
    assert.equal(code, 1);
    assert.equal(
      out,
      `absent: error: cannot read the model repository '${projectRoot}absent': expected a folder that this user may read, got ENOENT [unreadable]
model_repository: warning: ONNX Runtime, which this model needs, is not installed: run \`nereid setup onnxruntime\`, or name a library with --onnxruntime-library=PATH; the files of 3 model versions were not read, so what they say was not compared [model-file-unread]
checked 4 models in 2 repositories: 1 error, 1 warning
`,
    );
  });

  it('reads what a server with --disable-auto-complete-config would', async () => {
    using repository = new TempRepository();
    addDigits(join(repository.path, 'digits/1'));
    const config = GOOD.replace('identity', 'onnxruntime');
    await repository.write('digits/config.pbtxt', config);
    const { code, out } = await check([repository.path]);
    assert.equal(code, 1);
    assert.match(out, /^ += \| model\.onnx says input 'image' FP32 \[batch, 1, 8, 8\]$/m);
    const strict = await check([repository.path, '--disable-auto-complete-config']);
    assert.equal(strict.code, 1);
    assert.match(strict.out, /unexpected inference input 'x'.*\[build-failed\]$/m);
    const read = await check([repository.path, '--disable-auto-complete-config', '--no-build']);
    assert.equal(read.code, 0, read.out);
  });

  it('prints a schema that takes configurations and refuses what the reader refuses', async () => {
    const { code, out: schema } = await check(['--schema']);
    assert.equal(code, 0);
    const cases = JSON.parse(
      readFileSync(join(projectRoot, 'test/fixtures/config/cases.json'), 'utf8'),
    ) as { config?: string }[];
    const good = cases.flatMap(({ config }) => {
      try {
        return config === undefined ? [] : [modelConfigJson(readModelConfig(config, 'f'))];
      } catch {
        return [];
      }
    });
    assert.ok(good.length > 100);
    const validator = spawn(python, [join(projectRoot, 'test/e2e/validate_config_schema.py')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const taken = ['{"maxBatchSize": "8", "input": [{"dataType": "TYPE_FP32"}]}'];
    const refused = [
      '{"max_batchsize": 8}',
      '{"max_batch_size": 4000000000}',
      '{"max_batch_size": 1.5}',
      '{"max_batch_size": 1, "maxBatchSize": 1}',
      '{"input": [{"data_type": "FP32"}]}',
      '{"name": 1}',
      '{"dynamic_batching": {}, "sequence_batching": {}}',
      '{"dynamic_batching": {"priority_queue_policy": {"x": {}}}}',
    ];
    validator.stdin.end(
      JSON.stringify({ schema: JSON.parse(schema) as unknown, good: [...good, ...taken], refused }),
    );
    assert.equal(await text(validator.stdout), `took ${good.length + 1}, refused 8\n`);
  });
});
