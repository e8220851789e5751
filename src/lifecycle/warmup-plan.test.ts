// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeEngine } from '../../test/support/fake-engine.ts';
import { TempRepository } from '../../test/support/temp-repository.ts';
import type { WarmupSamplePlan } from '../addon/model-plan.ts';
import { LocalSource } from '../repository/local-source.ts';
import { readModel } from '../repository/scan.ts';
import { buildVersion, draftModel, planVersion } from './loader.ts';
import { readWarmup } from './warmup-plan.ts';

const OPTIONS = {
  autoComplete: true,
  serverDefaults: { defaultMaxBatchSize: 4 },
  ensureBackend: async () => undefined,
  maxQueueSize: 0,
  queueFullStatus: 'Unavailable',
  backendConfig: [],
} as const;

async function drafted(repository: TempRepository, warmup: string) {
  await repository.addIdentity('m', [1], warmup);
  const draft = draftModel(await readModel([new LocalSource(repository.path)], 'm'));
  const [version] = draft.versions;
  assert.ok(version);
  return { draft, version };
}

async function samplesOf(repository: TempRepository, warmup: string): Promise<WarmupSamplePlan[]> {
  const { draft, version } = await drafted(repository, warmup);
  const { config } = await planVersion(draft, version, { engine: new FakeEngine(), ...OPTIONS });
  return readWarmup(config, draft.folder, draft.source);
}

const sample = (setting: string, more = ''): string =>
  `model_warmup { name: "w" batch_size: 2 ${more} inputs { key: "IN" value { data_type: TYPE_INT32 dims: 2 ${setting} } } }\n`;

describe('readWarmup', () => {
  it('says how often each sample runs, and with what', async () => {
    using repository = new TempRepository();
    const samples = await samplesOf(
      repository,
      sample('zero_data: true') + sample('random_data: true', 'count: 3'),
    );
    const input = { name: 'IN', datatype: 'INT32', dims: [2] };
    assert.deepEqual(samples, [
      { name: 'w', batchSize: 2, count: 1, inputs: [{ ...input, data: 'zero' }] },
      { name: 'w', batchSize: 2, count: 3, inputs: [{ ...input, data: 'random' }] },
    ]);
  });

  it('takes one row from the start of a file', async () => {
    using repository = new TempRepository();
    await repository.write('m/warmup/deep/row', 'abcdefghij');
    const [read] = await samplesOf(repository, sample('input_data_file: "deep/row"'));
    assert.deepEqual(read?.inputs[0]?.data, new TextEncoder().encode('abcdefgh'));
  });

  it('takes all of a file of strings', async () => {
    using repository = new TempRepository();
    await repository.write('m/warmup/row', 'any length');
    const text = sample('input_data_file: "row"').replace('TYPE_INT32', 'TYPE_STRING');
    const [read] = await samplesOf(repository, text);
    assert.deepEqual(read?.inputs[0]?.data, new TextEncoder().encode('any length'));
  });

  it('leaves out samples without requests and inputs the model does not have', async () => {
    using repository = new TempRepository();
    const empty = sample('zero_data: true').replace('batch_size: 2', '');
    const other = sample('input_data_file: "none"').replace('"IN"', '"OTHER"');
    const [read, ...more] = await samplesOf(repository, empty + other);
    assert.deepEqual(read?.inputs, []);
    assert.deepEqual(more, []);
  });

  it('takes controls and states of sequences', async () => {
    using repository = new TempRepository();
    const sequences = `sequence_batching { control_input { name: "START" control {
      kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] } } }\n`;
    const text = sample('zero_data: true').replace('"IN"', '"START"');
    const [read] = await samplesOf(repository, text + sequences);
    assert.deepEqual(
      read?.inputs.map(({ name }) => name),
      ['START'],
    );
  });

  it('says where a file is named that is missing or too short', async () => {
    using repository = new TempRepository();
    const missing = samplesOf(repository, sample('input_data_file: "row"'));
    await assert.rejects(missing, {
      message:
        /^m\/config\.pbtxt:\d+:\d+: model_warmup\[0\]\.inputs\["IN"\]\.input_data_file: failed to open text file for read warmup\/row$/,
    });
    await repository.write('m/warmup/row', 'short');
    await assert.rejects(samplesOf(repository, sample('input_data_file: "row"')), {
      message:
        /\[request id: <id_unknown>\] warmup setting expects 8 bytes, but the data provided from rowonly has 5 bytes$/,
    });
    await assert.rejects(samplesOf(repository, sample('input_data_file: "row" dims: 9999999999')), {
      message: /warmup setting expects 79999999992 bytes/,
    });
  });
});

describe('buildVersion', () => {
  it('keeps no samples once the version is loaded', async () => {
    using repository = new TempRepository();
    const { draft, version } = await drafted(repository, sample('zero_data: true'));
    const engine = new FakeEngine();
    const served = await buildVersion(draft, version, { engine, ...OPTIONS });
    assert.equal(engine.plans.get(served.handle)?.warmup?.length, 1);
    assert.equal(served.plan.warmup, undefined);
  });
});
