// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { addModels } from '../../test/support/model-repository.ts';
import { projectRoot } from '../../test/support/nereid.ts';
import { TempRepository } from '../../test/support/temp-repository.ts';
import { unavailable } from '../base/status.ts';
import type { Finding } from './finding.ts';
import { checkRepositories } from './repository-check.ts';
import { applyFix } from './text-edits.ts';
import type { CheckTools } from './version-check.ts';

/** Every backend is known, no model file can be read. */
const tools: Pick<CheckTools, 'loader'> = {
  loader: {
    engine: { inspect: () => Promise.reject(unavailable('not here')) },
    autoComplete: true,
    serverDefaults: {},
    maxQueueSize: 1024,
    queueFullStatus: 'Unavailable',
    backendConfig: [],
    ensureBackend: () => Promise.resolve(),
  },
};

const ENSEMBLES = `${projectRoot}test/fixtures/ensembles`;
const MODELS = [
  ...['identity_int32', 'identity_fp32', 'control', 'counted', 'failing', 'versioned'],
  ...['variable_nobatch', 'stream_three', 'stream_broken', 'stream_none'],
];

interface Loaded {
  readonly name: string;
  readonly expect?: { readonly status: number; readonly error?: string };
}

describe('a check of ensembles', () => {
  const repository = new TempRepository();
  let byModel: Map<string | null, readonly Finding[]>;

  const check = async (): Promise<void> => {
    const { findings } = await checkRepositories([repository.path], tools);
    byModel = Map.groupBy(findings, ({ model }) => model);
  };

  before(async () => {
    await addModels(repository.path, [...MODELS, ...readdirSync(ENSEMBLES)]);
    await check();
  });
  after(() => repository[Symbol.dispose]());

  it('finds nothing wrong with those that serve', () => {
    const wrong = [...byModel.keys()].filter((name) => !name?.startsWith('misfit_'));
    assert.deepEqual(wrong, []);
  });

  it('says what the real Triton says at the load', () => {
    const file = `${projectRoot}test/conformance/cases/ensembles.json`;
    const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: readonly Loaded[] };
    let compared = 0;
    for (const { name, expect } of cases) {
      const [, model = '', message = ''] =
        /^load failed for model '(misfit_\w+)': (.+)$/.exec(expect?.error ?? '') ?? [];
      // These ask for models that are not there, or that do not load.
      if (message === '' || /not available or ambiguous|has no loaded version/.test(message))
        continue;
      const said = byModel.get(model)?.map((one) => one.message);
      assert.ok(said?.includes(message), `${name}: ${JSON.stringify(said)}`);
      compared += 1;
    }
    assert.ok(compared >= 9, `${compared} loads`);
  });

  it('tells every fault with its place and what the model has', async () => {
    const linesOf = (model: string) =>
      byModel.get(model)?.map(({ line, column, field }) => [line, column, field]);
    assert.deepEqual(linesOf('misfit_type'), [
      [27, 7, 'ensemble_scheduling.step[0].input_map["INPUT0"]'],
      [31, 7, 'ensemble_scheduling.step[0].output_map["OUTPUT0"]'],
    ]);
    const [unmapped] = byModel.get('misfit_unmapped') ?? [];
    assert.deepEqual(unmapped?.notes, [
      "model 'join' has input 'A' INT32 [batch, -1]",
      "model 'join' has input 'B' INT32 [batch, -1]",
    ]);
  });

  it('writes lines with which they would serve', async () => {
    const repaired = ['misfit_batch', 'misfit_type', 'misfit_shape', 'misfit_output'];
    for (const model of repaired) {
      const file = `${repository.path}/${model}/config.pbtxt`;
      let text = readFileSync(file, 'utf8');
      const fixes = (byModel.get(model) ?? []).flatMap(({ fix }) => fix ?? []);
      assert.notDeepEqual(fixes, [], model);
      // From the last line to the first, so that the others stay where they are.
      for (const fix of fixes.sort((a, b) => b.line - a.line)) text = applyFix(text, fix);
      await repository.write(`${model}/config.pbtxt`, text);
    }
    await check();
    for (const model of repaired) assert.deepEqual(byModel.get(model) ?? [], [], model);
  });
});
