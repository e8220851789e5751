// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TempRepository } from '../../test/support/temp-repository.ts';
import type { ModelInspection } from '../addon/types.ts';
import { invalidArgument, unavailable } from '../base/status.ts';
import { completeModelConfig } from '../config/complete.ts';
import { ConfigError } from '../config/config-error.ts';
import type { RateLimitOptions } from '../config/flags/rate-limit.ts';
import { readModelConfig } from '../config/read.ts';
import { FINDING_CODES, type Finding } from './finding.ts';
import { jsonReport, textReport } from './report.ts';
import { type CheckReport, checkRepositories } from './repository-check.ts';
import { applyFix } from './text-edits.ts';
import type { CheckTools } from './version-check.ts';

const PHOTO: ModelInspection = {
  inputs: [{ name: 'image', datatype: 'FP32', shape: [-1, 3, 224, 224] }],
  outputs: [{ name: 'scores', datatype: 'FP32', shape: [-1, 1000] }],
};

const FIXED: ModelInspection = {
  inputs: [{ name: 'x', datatype: 'INT64', shape: [1, 4] }],
  outputs: [{ name: 'y', datatype: 'BYTES', shape: [1] }],
};

/** Reads a model file by what is written in it: its text is a key. */
function tools(files: Readonly<Record<string, ModelInspection>> = {}): Pick<CheckTools, 'loader'> {
  return {
    loader: {
      engine: {
        inspect: async (backend, file) => {
          if (backend !== 'identity' && backend !== 'onnxruntime')
            throw invalidArgument(
              `unable to find backend library for backend '${backend}': this server has 'identity'`,
            );
          const known = file === '' ? undefined : files[readFileSync(file, 'utf8')];
          if (known === undefined) throw invalidArgument('this is no ONNX model');
          return known;
        },
      },
      autoComplete: true,
      serverDefaults: {},
      maxQueueSize: 1024,
      queueFullStatus: 'Unavailable',
      backendConfig: [],
      ensureBackend: () => Promise.resolve(),
    },
  };
}

const onnx = tools({ photo: PHOTO, fixed: FIXED });
const GOOD = `backend: "identity"
max_batch_size: 8
input [ { name: "x" data_type: TYPE_FP32 dims: [ 3 ] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ 3 ] } ]
`;

/** Files of two repositories with everything that a check tells. */
const FILES: Readonly<Record<string, string>> = {
  'models/good/config.pbtxt': GOOD,
  'models/good/1/none': '',
  'models/inferred/1/model.onnx': 'photo',
  'models/text/config.pbtxt': [
    'name: wrong',
    'backend "identity"',
    'max_batchsize: "8"',
    'input [ { name: "x" data_type: FP32 dims: [ 3 -1, ] }',
    'output { name: "y" data_type: TYPE_FP32 dims: [ 0 ] }',
    '\tdynamic_batching { preferred_batch_size: [ 4, 16 ], preserve_ordering: yes }',
    'nonsense: { a: [ 1 ] }',
    'instance_group [ { kind: KIND_CPU gpus: [ 0 ] count: 2 } ]',
    'name: "twice"',
    '',
  ].join('\n'),
  'models/text/1/none': '',
  'models/open/config.pbtxt': 'backend: "identity"\ninput { name: "x" dims: [ 1 ]\n',
  'models/open/1/none': '',
  'models/photo/config.pbtxt': [
    'max_batch_size: 16',
    'input [',
    '  {',
    '    name: "image" # in RGB',
    '    data_type: TYPE_UINT8',
    '    dims: [ 224, 224 ]',
    '  }',
    ']',
    'output { name: "score" data_type: TYPE_FP32 dims: [ 1000 ] label_filename: "labels.txt" }',
    'cc_model_filenames { key: "8.0" value: "x" }',
    'optimization { eager_batching: true }',
    '',
  ].join('\n'),
  'models/photo/1/model.onnx': 'photo',
  'models/photo/2/model.onnx': 'photo',
  'models/fixed/config.pbtxt':
    'max_batch_size: 4\r\ninput { name: "x" data_type: TYPE_INT64 dims: [ 4 ] }\r\n' +
    'output { name: "y" data_type: TYPE_STRING dims: [ 1 ] }\r\n',
  'models/fixed/1/model.onnx': 'fixed',
  'models/alone/config.pbtxt': 'max_batch_size: 2\n',
  'models/alone/1/model.onnx': 'fixed',
  'models/corrupt/1/model.onnx': 'junk',
  'models/file/config.pbtxt': 'platform: "onnxruntime_onnx"\n',
  'models/file/1/net.onnx': 'photo',
  'models/nowhere/config.txt': GOOD,
  'models/nowhere/model.onnx': 'photo',
  'models/nowhere/v1/model.onnx': 'photo',
  'models/policy/config.pbtxt': `${GOOD}version_policy { specific { versions: [ 7 ] } }\n`,
  'models/policy/1/none': '',
  'models/some/config.pbtxt': `${GOOD}version_policy { specific { versions: [ 1, 7 ] } }\n`,
  'models/some/1/none': '',
  'models/flow/config.pbtxt': [
    'platform: "ensemble"',
    'input { name: "x" data_type: TYPE_FP32 dims: [ 3 ] }',
    'output { name: "y" data_type: TYPE_FP32 dims: [ 3 ] }',
    'ensemble_scheduling {',
    '  step { model_name: "goood" model_version: -1 input_map { key: "x" value: "x" } output_map { key: "y" value: "y" } }',
    '}',
    '',
  ].join('\n'),
  'models/flow/1/none': '',
  'models/plan/config.pbtxt': GOOD.replace('identity', 'tensorrt'),
  'models/plan/1/none': '',
  'models/asks/config.pbtxt': `${GOOD}runtime: "mine.so"\nparameters { key: "TRITON_BATCH_STRATEGY_PATH" value { string_value: "b.so" } }\n`,
  'models/asks/1/none': '',
  'models/escape\x1b[31m/config.pbtxt': GOOD.replace('max_batch_size', 'max\x1bbatch'),
  'models/escape\x1b[31m/1/none': '',
  'more/good/config.pbtxt': GOOD,
  'more/good/1/none': '',
  'bare/config.pbtxt': GOOD,
  'bare/1/none': '',
};

describe('checkRepositories', () => {
  const folder = new TempRepository();
  const at = (name: string): string => join(folder.path, name);
  const golden = (name: string): string => {
    const path = new URL(`../../test/fixtures/check/${name}`, import.meta.url);
    return readFileSync(path, 'utf8');
  };
  /** The text without the way to the temporary folder. */
  const local = (text: string): string =>
    text.replaceAll(`${folder.path}/`, '').replaceAll(folder.path, '.');
  const plain = (report: CheckReport): string => local(textReport(report, (_, text) => text));
  let report: CheckReport;

  before(async () => {
    for (const [file, text] of Object.entries(FILES)) await folder.write(file, text);
    await mkdir(at('empty'));
    const repositories = ['models', 'more', 'bare', 'empty', 'absent', 'models/../models'];
    const all = await checkRepositories(repositories.map(at), onnx);
    // Whether ensembles are served is no matter of this test.
    const findings = all.findings.filter(
      ({ model, code }) => model !== 'flow' || code === 'unknown-member',
    );
    report = { ...all, findings };
  });
  after(() => folder[Symbol.dispose]());

  it('tells people everything at once, with places, both sides and corrected lines', () => {
    assert.equal(plain(report), golden('report.txt'));
  });

  it('tells scripts the same', () => {
    assert.equal(local(jsonReport(report)), golden('report.json'));
  });

  it('knows a code for each kind of finding', () => {
    const seen = new Set(report.findings.map(({ code }) => code));
    assert.deepEqual(
      FINDING_CODES.filter((code) => !seen.has(code)),
      ['model-file-unread', 'build-failed', 'resource-shortage', 'model-name', 'ensemble-wiring'],
    );
  });

  it('says once that model files could not be read, and checks the rest', async () => {
    const { loader } = tools();
    const blind: Pick<CheckTools, 'loader'> = {
      loader: { ...loader, ensureBackend: () => Promise.reject(unavailable('no ONNX Runtime')) },
    };
    const { findings } = await checkRepositories([at('models')], blind);
    const unread = findings.filter(({ code }) => code === 'model-file-unread');
    assert.deepEqual(
      unread.map(({ severity, message }) => [severity, message]),
      [
        [
          'warning',
          'no ONNX Runtime; the files of 5 model versions were not read, so what they say was not compared',
        ],
      ],
    );
    assert.ok(findings.some(({ code, model }) => code === 'label-file' && model === 'photo'));
  });

  it('looks for the files of warm-up samples', async () => {
    using folder = new TempRepository();
    const warm = (file: string): string =>
      `model_warmup { name: "w" batch_size: 1 inputs { key: "IN" value { data_type: TYPE_INT32 dims: 1 input_data_file: "${file}" } } }`;
    await folder.addIdentity('well', [1], warm('row'));
    await folder.write('well/warmup/row', 'four');
    await folder.addIdentity('missing', [1], warm('row') + warm('other'));
    for (const name of ['well', 'missing']) await folder.write(`${name}/1/x`, '');
    const { findings } = await checkRepositories([folder.path], tools());
    assert.deepEqual(
      findings.map(({ model, field, message }) => [model, field, message]),
      [
        [
          'missing',
          'model_warmup[0].inputs["IN"].input_data_file',
          'failed to open text file for read warmup/row',
        ],
        [
          'missing',
          'model_warmup[1].inputs["IN"].input_data_file',
          'failed to open text file for read warmup/other',
        ],
      ],
    );
  });

  it('tells every parameter that is wrong, beside what else is', async () => {
    using folder = new TempRepository();
    const set = (key: string, value: string): string =>
      `parameters { key: "${key}" value { string_value: "${value}" } }\n`;
    const config = [
      'instance_group { count: -1 }\n',
      set('admission', 'no'),
      set('max_queue_bytes', '1k'),
      set('pad_input.IN', 'buckets=0'),
      set('pad_input.NONE', 'buckets=8'),
    ];
    await folder.addIdentity('m', [1], config.join(''));
    const { findings } = await checkRepositories([folder.path], tools());
    const errors = findings.filter(({ severity }) => severity === 'error');
    assert.deepEqual(
      errors.map(({ line, field }) => [line, field]),
      [
        [5, 'instance_group[0].count'],
        [6, 'parameters["admission"]'],
        [7, 'parameters["max_queue_bytes"]'],
        [8, 'parameters["pad_input.IN"]'],
        [9, 'parameters["pad_input.NONE"]'],
      ],
    );
  });

  it('finds models that hold a resource in different ways, once the rate limiter is on', async () => {
    using folder = new TempRepository();
    const needs = (name: string, global: boolean): string =>
      `instance_group { kind: KIND_CPU count: 1 rate_limiter { resources { name: "${name}" count: 2 global: ${global} } } }`;
    await folder.addIdentity('here', [1], needs('R', false));
    await folder.addIdentity('everywhere', [1], needs('r', true));
    await folder.addIdentity('alone', [1], needs('S', true));
    const check = async (rateLimits: RateLimitOptions) => {
      const { findings } = await checkRepositories([folder.path], tools(), { rateLimits });
      return findings
        .filter(({ code }) => code === 'resource-shortage')
        .map(({ model, field }) => [model, field.split('.').at(-1)]);
    };
    assert.deepEqual(await check({ rateLimit: 'off', rateLimitResources: [] }), []);
    assert.deepEqual(await check({ rateLimit: 'execution_count', rateLimitResources: [] }), [
      ['everywhere', 'global'],
      ['here', 'global'],
    ]);
    const limits = [
      { name: 'r', count: 1, device: undefined },
      { name: 'r', count: 2, device: 0 },
      { name: 's', count: 1, device: undefined },
    ];
    assert.deepEqual(await check({ rateLimit: 'execution_count', rateLimitResources: limits }), [
      ['alone', 'count'],
      ['everywhere', 'global'],
      ['here', 'global'],
    ]);
  });

  it('takes a name that two repositories hold for wrong in both', () => {
    const twice = report.findings.filter(({ code }) => code === 'duplicate-model');
    assert.deepEqual(
      twice.map(({ repository, model }) => [local(repository), model]),
      [
        ['models', 'good'],
        ['more', 'good'],
      ],
    );
  });

  it('knows the flags of the server that change what it reads', async () => {
    await folder.write('named/m/config.pbtxt', GOOD);
    await folder.write('named/m/configs/small.pbtxt', GOOD.replace('backend', 'back'));
    await folder.write('named/m/1/none', '');
    await folder.write('other/m/config.pbtxt', GOOD);
    await folder.write('other/m/1/none', '');
    const options = { configName: 'small', namespaces: true };
    const { findings } = await checkRepositories([at('named'), at('other')], onnx, options);
    assert.deepEqual(
      findings.map(({ code, file, line }) => [code, local(file), line]),
      [['unknown-field', 'named/m/configs/small.pbtxt', 1]],
    );
  });
});

interface Case {
  readonly name: string;
  readonly strict?: boolean;
  readonly files: readonly string[];
  readonly config?: string;
}

describe('nereid check against what a load says', () => {
  const url = new URL('../../test/fixtures/config/cases.json', import.meta.url);
  const cases = (JSON.parse(readFileSync(url, 'utf8')) as Case[]).filter(
    (one): one is Case & { config: string } =>
      one.config !== undefined &&
      one.strict !== true &&
      /^[\w.-]+$/.test(one.name) &&
      one.files.every((file) => /^1\/|^[^/]+$/.test(file)) &&
      one.files.some((file) => file.startsWith('1/')),
  );
  const folder = new TempRepository();
  let byModel: Map<string | null, readonly Finding[]>;

  const checkAll = async (): Promise<Map<string | null, Finding[]>> => {
    // Every backend is known here: the cases use names of their own.
    const { loader } = tools();
    const engine = { inspect: () => Promise.reject(unavailable('not here')) };
    const { findings } = await checkRepositories([folder.path], { loader: { ...loader, engine } });
    return Map.groupBy(findings, ({ model }) => model);
  };

  before(async () => {
    for (const { name, config, files } of cases) {
      await folder.write(`${name}/config.pbtxt`, config);
      // A name that ends in a slash is an empty folder.
      for (const file of files) await folder.write(`${name}/${file.replace(/\/$/, '/.keep')}`, '');
    }
    byModel = await checkAll();
  });
  after(() => folder[Symbol.dispose]());

  it('tells the first error of a load among the others, and none where there is none', () => {
    assert.ok(cases.length > 150, `${cases.length} cases`);
    for (const one of cases) {
      const findings = byModel.get(one.name) ?? [];
      // A dimension beyond what a plan can hold is told when the plan is made.
      const told = findings.filter(
        ({ code, message }) =>
          /^(syntax|unknown-field|invalid-.*|unknown-backend)$/.test(code) &&
          !message.startsWith('dims: expected at most'),
      );
      const first = firstError(one);
      if (first === undefined) assert.deepEqual(told, [], one.name);
      else
        assert.ok(
          told.some(({ message, field }) => message === first.text && field === first.path),
          `${one.name}: ${first.message}`,
        );
    }
  });

  it('corrects to what has no correction left', async () => {
    const left = (findings: readonly Finding[]): number =>
      findings.filter(({ severity, fix }) => severity === 'error' && fix !== null).length;
    const total = (): number => [...byModel.values()].reduce((sum, one) => sum + left(one), 0);
    const before = total();
    assert.ok(before >= 40, `${before} corrections`);
    for (let round = 0; round < 4; round += 1) {
      for (const one of cases) await folder.write(`${one.name}/config.pbtxt`, corrected(one));
      byModel = await checkAll();
    }
    assert.equal(total(), 0);
  });

  const texts = new Map<string, string>();
  /** Every correction made, from the end so that lines keep their numbers; equal ones once. */
  function corrected({ name, config }: Case & { config: string }): string {
    const fixes = (byModel.get(name) ?? []).flatMap(({ fix }) => (fix === null ? [] : [fix]));
    fixes.sort((a, b) => b.line - a.line || b.endLine - a.endLine);
    let text = texts.get(name) ?? config;
    let top = Number.POSITIVE_INFINITY;
    for (const fix of fixes) {
      if (fix.endLine >= top) continue;
      text = applyFix(text, fix);
      top = fix.line;
    }
    texts.set(name, text);
    return text;
  }

  function firstError({ name, config, files }: Case & { config: string }): ConfigError | undefined {
    const inVersion = files
      .filter((file) => file.startsWith('1/'))
      .map((file) => file.slice(2).split('/')[0] ?? '');
    try {
      completeModelConfig(readModelConfig(config, 'f'), {
        modelName: name,
        versionDirFiles: inVersion,
        autoComplete: true,
      });
      return undefined;
    } catch (thrown) {
      if (thrown instanceof ConfigError) return thrown;
      throw thrown;
    }
  }
});
