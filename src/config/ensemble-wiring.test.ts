// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { completeModelConfig } from './complete.ts';
import { wireEnsemble } from './ensemble-wiring.ts';
import type { ModelConfig } from './model-config.ts';
import { readModelConfig } from './read.ts';

const known = (modelName: string) => ({ modelName, versionDirFiles: [], autoComplete: true });

function parse(name: string, text: string): ModelConfig {
  return completeModelConfig(readModelConfig(text, name), known(name));
}

const io = (kind: 'input' | 'output', name: string, dims = '4', type = 'FP32', more = ''): string =>
  `${kind} { name: "${name}" data_type: TYPE_${type} dims: [ ${dims} ] ${more} }\n`;

const model = (inputs: string, outputs: string, batch = 8, more = ''): string =>
  `backend: "identity" max_batch_size: ${batch}\n${inputs}${outputs}${more}`;

const one = (batch = 8, dims = '4', type = 'FP32', more = ''): string =>
  model(io('input', 'I', dims, type), io('output', 'O', dims, type), batch, more);

const pair = io('input', 'A') + io('input', 'B');
const MEMBERS: Readonly<Record<string, string>> = {
  m: one(),
  m4: one(4),
  integers: one(8, '4', 'INT32'),
  m3: one(8, '3'),
  flat: one(0, '-1, 4'),
  two: model(pair, io('output', 'C') + io('output', 'D')),
  opt: model(io('input', 'A') + io('input', 'B', '4', 'FP32', 'optional: true'), io('output', 'C')),
  many: one(8, '4', 'FP32', 'model_transaction_policy { decoupled: true }'),
};

type Map2 = Readonly<Record<string, string>>;

function step(name: string, inputs: Map2, outputs: Map2): string {
  const map = (kind: string, pairs: Map2): string =>
    Object.entries(pairs)
      .map(([key, value]) => `${kind} { key: "${key}" value: "${value}" }`)
      .join(' ');
  return `step { model_name: "${name}" model_version: -1 ${map('input_map', inputs)} ${map('output_map', outputs)} }\n`;
}

const single = (name: string, from: string, to: string): string =>
  step(name, { I: from }, { O: to });

const ensemble = (steps: string, tensors = io('input', 'X') + io('output', 'Y')): string =>
  `platform: "ensemble" max_batch_size: 8\n${tensors}ensemble_scheduling { ${steps} }`;

function wire(text: string): ModelConfig {
  return wireEnsemble(parse('e', text), ({ model_name: name }) => parse(name, MEMBERS[name] ?? ''));
}

describe('wireEnsemble', () => {
  const YZ = io('input', 'X') + io('output', 'Y') + io('output', 'Z');
  const refused: readonly [what: string, steps: string, text: string, tensors?: string][] = [
    [
      'a smaller batch size',
      single('m4', 'X', 'Y'),
      'ensemble e allows maximum batch size 8, but it contains model m4 which only allows maximum batch size to be 4',
    ],
    [
      'another type',
      single('integers', 'X', 'Y'),
      'in ensemble e, ensemble tensor X: inconsistent data type: TYPE_FP32 is inferred from model e while TYPE_INT32 is inferred from model integers',
    ],
    [
      'another shape',
      single('m3', 'X', 'Y'),
      'in ensemble e, ensemble tensor X: inconsistent shape: [-1,4] is inferred from model e while [-1,3] is inferred from model m3',
    ],
    [
      'an input that is none',
      step('m', { I: 'X', NOPE: 'X' }, { O: 'Y' }),
      'in ensemble e, ensemble tensor X is mapping to non-existing input NOPE in model m',
    ],
    [
      'an output that is none',
      step('m', { I: 'X' }, { NOPE: 'Y' }),
      'in ensemble e, ensemble tensor Y is mapped from non-existing output NOPE in model m',
    ],
    [
      'an input that nothing feeds',
      step('two', { A: 'X' }, { C: 'Y' }),
      'in ensemble e, input B in model two is not mapped to any ensemble tensors',
    ],
    [
      'two decoupled branches that meet',
      single('many', 'X', 'a') +
        single('many', 'X', 'b') +
        step('two', { A: 'a', B: 'b' }, { C: 'Y', D: 'Z' }),
      "in ensemble e, step of model 'e' receives inputs originated from different decoupled models",
      YZ,
    ],
    [
      'outputs of two decoupled branches',
      single('many', 'X', 'Y') + single('m', 'X', 'Z'),
      "in ensemble e, step of model 'e' receives inputs originated from different decoupled models",
      YZ,
    ],
  ];
  for (const [what, steps, text, tensors] of refused) {
    it(`refuses ${what}`, () => {
      assert.throws(() => wire(ensemble(steps, tensors)), {
        code: 'InvalidArgument',
        message: text,
      });
    });
  }

  it('leaves optional inputs out, and passes between models with and without batches', () => {
    wire(ensemble(step('opt', { A: 'X' }, { C: 'Y' })));
    wire(ensemble(single('flat', 'X', 't') + single('m', 't', 'Y')));
  });

  it('is decoupled when one of its steps is', () => {
    const policyOf = (steps: string) => wire(ensemble(steps)).model_transaction_policy;
    assert.deepEqual(policyOf(single('m', 'X', 't') + single('m', 't', 'Y')), { decoupled: false });
    assert.deepEqual(policyOf(single('many', 'X', 't') + single('m', 't', 'Y')), {
      decoupled: true,
    });
  });
});

describe('the flow of tensors in an ensemble', () => {
  const two = (inputs: Map2, outputs: Map2): string => step('two', inputs, outputs);
  const refused: readonly [what: string, steps: string, text: string][] = [
    [
      'a tensor that two steps write',
      single('m', 'X', 'Y') + single('m', 'X', 'Y'),
      "ensemble tensor 'Y' can appear in an output map only once for ensemble 'e' step 1",
    ],
    [
      'a tensor that nobody reads',
      two({ A: 'X', B: 'X' }, { C: 'Y', D: 'q' }),
      "ensemble tensor 'q' is unused in ensemble 'e'",
    ],
    [
      'a tensor that nobody writes',
      two({ A: 'X', B: 'q' }, { C: 'Y' }),
      "output 'Y' for ensemble 'e' is not written: at least one of its depending tensors, 'q', is not connected",
    ],
    [
      'a step that feeds itself',
      two({ A: 'X', B: 't' }, { C: 'Y', D: 't' }),
      "output 'Y' for ensemble 'e' is not written: at least one of its depending tensors, 't', is not connected",
    ],
    [
      'an input that a step writes',
      single('m', 'X', 'X') + single('m', 'X', 'Y'),
      "ensemble tensor 'X' is an input of ensemble 'e' and is written by a step",
    ],
  ];
  for (const [what, steps, text] of refused) {
    it(`refuses ${what}`, () => {
      assert.throws(
        () => parse('e', ensemble(steps)),
        (error: unknown) => error instanceof Error && error.message.includes(text),
      );
    });
  }
});
