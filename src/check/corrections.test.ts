// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ModelInspection } from '../addon/types.ts';
import { checkModelConfig } from '../config/complete.ts';
import { ConfigText } from './config-text.ts';
import { correct } from './corrections.ts';
import { Draft } from './draft.ts';
import { applyFix, EditedText } from './text-edits.ts';

const TWO: ModelInspection = {
  inputs: [
    { name: 'a', datatype: 'FP32', shape: [-1, 3, -1] },
    { name: 'b', datatype: 'BYTES', shape: [-1, 1] },
  ],
  outputs: [{ name: 'y', datatype: 'INT64', shape: [-1, 2] }],
};

const A = '{ name: "a" data_type: TYPE_FP32 dims: [ 3, 8 ] }';
const B = '{ name: "b" data_type: TYPE_STRING dims: [ 1 ] }';
const C = '{ name: "c" data_type: TYPE_STRING dims: [ 1 ] }';
const Y = 'output { name: "y" data_type: TYPE_INT64 dims: [ 2 ] }';
const IDENTITY = 'backend: "identity" input { name: "x" data_type: TYPE_FP32 dims: 1 }';

/** The text with the corrections of every problem made. */
function corrected(text: string, inspection?: ModelInspection): string {
  const read = new ConfigText(text);
  assert.ok(read.config);
  const options = { modelName: 'm', versionDirFiles: ['model.onnx'], autoComplete: true };
  const { config, problems } = checkModelConfig(read.config, { ...options, inspection });
  const draft = new Draft(read.text, () => read.scan);
  const known = { modelName: 'm', config, inspection };
  const edits = problems.flatMap((problem) => correct(problem, draft, known) ?? []);
  return new EditedText(text, edits).text;
}

describe('corrections by the model file', () => {
  for (const [what, from, to] of [
    [
      'adds inputs',
      `max_batch_size: 4 input ${A} ${Y}`,
      `max_batch_size: 4 input ${A} ${Y}\ninput ${B}`,
    ],
    [
      'renames the one input nobody knows',
      `max_batch_size: 4 input [ ${A}, ${C} ] ${Y}`,
      `max_batch_size: 4 input [ ${A}, ${B} ] ${Y}`,
    ],
    [
      'takes the last input of a list away, with its comma',
      `max_batch_size: 4 input [ ${A}, ${B}, ${C} ] ${Y}`,
      `max_batch_size: 4 input [ ${A}, ${B}] ${Y}`,
    ],
    [
      'gives the dimensions of the file for one that is none',
      `max_batch_size: 4 input [ ${A.replace('3, 8', '0')}, ${B} ] ${Y}`,
      `max_batch_size: 4 input [ ${A.replace('3, 8', '3, -1')}, ${B} ] ${Y}`,
    ],
    [
      'keeps the sizes that the model leaves free',
      `max_batch_size: 4 input [ ${A.replace('3, 8', '8, 8')}, ${B} ] ${Y}`,
      `max_batch_size: 4 input [ ${A}, ${B} ] ${Y}`,
    ],
    [
      'gives what is missing on the same line',
      `max_batch_size: 4 input [ { name: "a" }, ${B} ] ${Y}`,
      `max_batch_size: 4 input [ { name: "a" data_type: TYPE_FP32 dims: [ 3, -1 ] }, ${B} ] ${Y}`,
    ],
    [
      'gives what is missing on lines of their own',
      `max_batch_size: 4 input [ {\n    name: "a" # first\n  }, ${B} ] ${Y}`,
      `max_batch_size: 4 input [ {\n    name: "a"\n    data_type: TYPE_FP32\n    dims: [ 3, -1 ] # first\n  }, ${B} ] ${Y}`,
    ],
  ] as const) {
    it(what, () => assert.equal(corrected(from, TWO), to));
  }
});

describe('corrections by the rules', () => {
  for (const [from, to] of [
    ['name: "n"', 'name: "m"'],
    ['max_batch_size: -1', 'max_batch_size: 0'],
    ['instance_group { count: -1 kind: KIND_CPU }', 'instance_group { count: 1 kind: KIND_CPU }'],
    ['instance_group { kind: KIND_GPU; }', 'instance_group { kind: KIND_CPU; }'],
    ['instance_group { profile: [ "p" ], count: 1 }', 'instance_group { count: 1 }'],
    [
      'input { name: "s" data_type: TYPE_BOOL dims: 1 is_shape_tensor: true }',
      'input { name: "s" data_type: TYPE_BOOL dims: 1 }',
    ],
    [
      'dynamic_batching { priority_levels: 2 }',
      'dynamic_batching { priority_levels: 2 default_priority_level: 1 }',
    ],
    ['dynamic_batching { preferred_batch_size: [ 4 ] }', 'dynamic_batching { }'],
  ] as const) {
    it(`${from} → ${to}`, () =>
      assert.equal(corrected(`${IDENTITY}\n${from}\n`), `${IDENTITY}\n${to}\n`));
  }
});

describe('EditedText', () => {
  const edited = new EditedText('one\ntwo\nthree\n', [
    { start: 4, end: 7, text: '2\n2' },
    { start: 5, end: 6, text: 'lost: it crosses' },
    { start: 8, end: 8, text: 'and ' },
  ]);

  it('knows the way between both texts', () => {
    assert.equal(edited.text, 'one\n2\n2\nand three\n');
    for (const [to, from] of [
      [0, 0],
      [5, 4],
      [7, 7],
      [9, 8],
      [12, 8],
      [17, 13],
    ] as const)
      assert.equal(edited.toOriginal(to), from, `${to}`);
  });

  it('gives whole lines, which put in place give the text', () => {
    const fixes = [
      edited.fix([{ start: 8, end: 8, text: '' }]),
      edited.fix([{ start: 4, end: 7, text: '' }]),
    ];
    assert.deepEqual(fixes, [
      { line: 3, endLine: 3, lines: ['and three'] },
      { line: 2, endLine: 2, lines: ['2', '2'] },
    ]);
    const text = fixes.reduce(
      (all, fix) => (fix === null ? all : applyFix(all, fix)),
      edited.original,
    );
    assert.equal(text, edited.text);
  });
});
