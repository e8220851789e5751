// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { completeModelConfig } from './complete.ts';
import { fieldsWithoutEffect } from './no-effect.ts';
import { readModelConfig } from './read.ts';

const MODEL =
  'backend: "identity" max_batch_size: 4 input { name: "x" data_type: TYPE_STRING dims: -1 } ' +
  'output { name: "y" data_type: TYPE_STRING dims: -1 }\n';

const read = (text: string) => readModelConfig(MODEL + text, 'f');
const complete = (text: string) =>
  completeModelConfig(read(text), { modelName: 'm', versionDirFiles: [], autoComplete: true });

const input = (setting: string, name = 'x'): string =>
  `inputs { key: "${name}" value { data_type: TYPE_STRING dims: 2 ${setting} } }`;
const sample = (inside: string): string => `model_warmup { name: "w" ${inside} }`;

describe('warm-up samples of a configuration', () => {
  it('may give zeros, random numbers or a file, for inputs of the model and others', () => {
    complete(
      sample(`batch_size: 1 ${input('zero_data: true')} ${input('random_data: true', 'other')}`),
    );
    complete(sample(`batch_size: 4 count: 7 ${input('input_data_file: "a/b"')}`));
  });

  it('may name what a model of sequences has beside its inputs', () => {
    const sequences = `sequence_batching {
      control_input { name: "START" control { kind: CONTROL_SEQUENCE_START bool_false_true: [ false, true ] } }
      control_input { name: "ID" control { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_STRING } }
      state { input_name: "in" output_name: "out" data_type: TYPE_INT64 dims: 1 } }\n`;
    const given = (names: readonly string[], type = 'TYPE_BOOL'): string =>
      sample(
        `batch_size: 1 ${names
          .map((name) => input('zero_data: true', name).replace('TYPE_STRING', type))
          .join(' ')}`,
      ) + sequences;
    assert.deepEqual(fieldsWithoutEffect(read(given(['START', 'ID', 'in']))), []);
    assert.equal(fieldsWithoutEffect(read(given(['out', 'START']))).length, 1);
    for (const [name, type] of [
      ['START', 'BOOL'],
      ['ID', 'BYTES'],
      ['in', 'INT64'],
    ] as const) {
      assert.throws(
        () => complete(given([name], 'TYPE_INVALID')),
        new RegExp(`inference input '${name}' data-type is '<invalid>', but .* expects '${type}'`),
      );
    }
  });

  it('are skipped when they have no requests, as in Triton', () => {
    complete(sample(`batch_size: 0 ${input('')}`));
  });

  it('are refused in Triton’s words', () => {
    for (const [text, sentence] of [
      [
        `batch_size: 1 ${input('zero_data: true').replace('dims: 2', 'dims: -1')}`,
        "warmup setting expects all variable-size dimensions are specified for input 'x'",
      ],
      [
        `batch_size: 1 ${input('')}`,
        "[request id: <id_unknown>] warmup setting expects input 'x' to have input_data_type set",
      ],
      [
        `batch_size: 1 ${input('zero_data: true').replace('TYPE_STRING', 'TYPE_INVALID')}`,
        "[request id: <id_unknown>] inference input 'x' data-type is '<invalid>', but model 'm' expects 'BYTES'",
      ],
      [
        `batch_size: 5 ${input('zero_data: true')}`,
        "failed to run warmup sample 'w': batch size 5 for 'm_0', max allowed is 4; ",
      ],
    ] as const) {
      assert.throws(
        () => complete(sample(text)),
        (error: Error) => error.message.endsWith(`: ${sentence}`),
        text,
      );
    }
  });

  it('name files of the folder warmup only', () => {
    for (const file of ['', '../config.pbtxt', '/etc/passwd', 'a/../../b'])
      assert.throws(
        () => complete(sample(`batch_size: 1 ${input(`input_data_file: "${file}"`)}`)),
        /names no file of the folder 'warmup'/,
        file,
      );
  });

  it('do not run for ever', () => {
    const zeros = input('zero_data: true');
    assert.throws(
      () => complete(sample(`batch_size: 1 count: 100001 ${zeros}`)),
      /runs 100001 times, expected at most 100000/,
    );
    const config = read(sample(`batch_size: 65537 ${zeros}`));
    assert.throws(
      () =>
        completeModelConfig(
          { ...config, max_batch_size: 100_000 },
          { modelName: 'm', versionDirFiles: [], autoComplete: true },
        ),
      /has 65537 requests, expected at most 65536/,
    );
  });

  it('name in vain what is no input of the model', () => {
    const config = read(sample(`batch_size: 1 ${input('zero_data: true', 'other')}`));
    assert.deepEqual(
      fieldsWithoutEffect(config).map(({ path }) => path),
      ['model_warmup[0].inputs["other"]'],
    );
  });
});
