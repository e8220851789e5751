// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ModelConfig } from './model-config.ts';
import { isInput } from './validate-warmup.ts';

/** A field that is read and printed and changes nothing here. */
export interface NoEffect {
  /** where it is in the configuration, e.g. `instance_group[1].host_policy` */
  readonly path: string;
  readonly why: string;
}

/**
 * What a configuration says in vain. For `nereid check`: the server takes such a model without a word, as Triton does.
 * @param config as written, nothing filled in
 */
export function fieldsWithoutEffect(config: ModelConfig): NoEffect[] {
  return FIELDS.flatMap(([, why, find]) => find(config).map((path) => ({ path, why })));
}

type Row = readonly [field: string, why: string, find: (config: ModelConfig) => string[]];

const when = (given: boolean, path: string): string[] => (given ? [path] : []);

const NO_GPU = 'it is for GPUs, and models run on the CPU here';

const FIELDS: readonly Row[] = [
  [
    'optimization.priority',
    'instances share the threads of the CPU evenly',
    ({ optimization: o }) =>
      when(o !== undefined && o.priority !== 'PRIORITY_DEFAULT', 'optimization.priority'),
  ],
  ['optimization.cuda', NO_GPU, (c) => when(!!c.optimization?.cuda, 'optimization.cuda')],
  [
    'optimization.input_pinned_memory',
    NO_GPU,
    (c) => when(!!c.optimization?.input_pinned_memory, 'optimization.input_pinned_memory'),
  ],
  [
    'optimization.output_pinned_memory',
    NO_GPU,
    (c) => when(!!c.optimization?.output_pinned_memory, 'optimization.output_pinned_memory'),
  ],
  [
    'optimization.gather_kernel_buffer_threshold',
    NO_GPU,
    (c) =>
      when(
        (c.optimization?.gather_kernel_buffer_threshold ?? 0) > 0,
        'optimization.gather_kernel_buffer_threshold',
      ),
  ],
  [
    'optimization.eager_batching',
    'a batch is formed when an instance is free to run it',
    (c) => when(c.optimization?.eager_batching === true, 'optimization.eager_batching'),
  ],
  ['cc_model_filenames', NO_GPU, (c) => when(c.cc_model_filenames.size > 0, 'cc_model_filenames')],
  [
    'instance_group.host_policy',
    'instances are not bound to parts of the machine',
    (c) =>
      c.instance_group.flatMap((group, i) =>
        when(group.host_policy !== '', `instance_group[${i}].host_policy`),
      ),
  ],
  [
    'model_warmup.inputs',
    'the model has no input of that name',
    (c) =>
      c.model_warmup.flatMap(({ inputs }, i) =>
        [...inputs.keys()].flatMap((name) =>
          // Without inputs the configuration leaves them to the model file.
          when(c.input.length > 0 && !isInput(c, name), `model_warmup[${i}].inputs["${name}"]`),
        ),
      ),
  ],
  [
    'sequence_batching.state.use_same_buffer_for_input_output',
    'states are handed on by reference',
    (c) =>
      (c.sequence_batching?.state ?? []).flatMap((state, i) =>
        when(
          state.use_same_buffer_for_input_output,
          `sequence_batching.state[${i}].use_same_buffer_for_input_output`,
        ),
      ),
  ],
  [
    'sequence_batching.state.use_growable_memory',
    NO_GPU,
    (c) =>
      (c.sequence_batching?.state ?? []).flatMap((state, i) =>
        when(state.use_growable_memory, `sequence_batching.state[${i}].use_growable_memory`),
      ),
  ],
  [
    'response_cache',
    'answers are kept only where --cache-config gives the server a cache',
    (c) => when(c.response_cache?.enable === true, 'response_cache'),
  ],
];

/** Fields that can have no effect; docs/config.md lists them. */
export const FIELDS_WITHOUT_EFFECT: readonly string[] = FIELDS.map(([field]) => field);
