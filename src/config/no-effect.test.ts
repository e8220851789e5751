// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fieldsWithoutEffect } from './no-effect.ts';
import { readModelConfig } from './read.ts';

describe('fieldsWithoutEffect', () => {
  it('names how states are kept, which is always the same', () => {
    const state = (more: string): string =>
      `state { input_name: "i" output_name: "o" data_type: TYPE_FP32 dims: 1 ${more} }`;
    const text = `sequence_batching { ${state('')} ${state('use_same_buffer_for_input_output: true')}
      ${state('use_growable_memory: true')} }`;
    assert.deepEqual(
      fieldsWithoutEffect(readModelConfig(text, 'f')).map(({ path }) => path),
      [
        'sequence_batching.state[1].use_same_buffer_for_input_output',
        'sequence_batching.state[2].use_growable_memory',
      ],
    );
  });
});
