// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ConfigProblem } from './config-error.ts';
import type {
  ModelConfig,
  SequenceBatching,
  SequenceControl,
  SequenceControlKind,
} from './model-config.ts';

const CORRELATION_ID_TYPES = [
  'TYPE_UINT64',
  'TYPE_INT64',
  'TYPE_UINT32',
  'TYPE_INT32',
  'TYPE_STRING',
];

/** Checks of `sequence_batching`. Texts are Triton's. */
export function* sequenceProblems(config: ModelConfig): Generator<ConfigProblem> {
  const batching = config.sequence_batching;
  if (!batching) return;
  yield* controlProblems(config.name, batching);
  yield* strategyProblems(config, batching);
  yield* stateProblems(batching);
  if (config.response_cache?.enable)
    yield read(
      'response_cache.enable',
      `Response Cache does not currently support model ${config.name} with sequence batching scheduler. ` +
        'Please disable the response cache.',
    );
}

function* controlProblems(model: string, batching: SequenceBatching): Generator<ConfigProblem> {
  const kinds = new Set<SequenceControlKind>();
  const tensors = new Set<string>();
  for (const [index, input] of batching.control_input.entries()) {
    const path = `sequence_batching.control_input[${index}]`;
    if (!input.name)
      yield read(path, `sequence batching control tensor must have a name for ${model}`);
    for (const [number, control] of input.control.entries()) {
      const at = `${path}.control[${number}]`;
      if (kinds.has(control.kind))
        yield read(at, `sequence batching specifies multiple ${control.kind} tensors for ${model}`);
      if (tensors.has(input.name))
        yield read(
          at,
          `sequence batching control tensor '${input.name}' is specified for multiple control kinds for ${model}`,
        );
      kinds.add(control.kind);
      tensors.add(input.name);
      yield* valueProblems(model, control, at);
    }
  }
}

function* valueProblems(
  model: string,
  control: SequenceControl,
  path: string,
): Generator<ConfigProblem> {
  const given = (['int32_false_true', 'fp32_false_true', 'bool_false_true'] as const).filter(
    (name) => control[name].length > 0,
  );
  const choices = "'int32_false_true', 'fp32_false_true'";
  if (control.kind === 'CONTROL_SEQUENCE_CORRID') {
    if (given.length > 0)
      yield read(
        path,
        `sequence batching must not specify either ${choices} or 'bool_false_true' for ${control.kind} for ${model}`,
      );
    if (!CORRELATION_ID_TYPES.includes(control.data_type))
      yield read(
        path,
        `unexpected data type for control ${control.kind} for ${model}. Allowed data types are TYPE_UINT64, ` +
          'TYPE_INT64, TYPE_UINT32, TYPE_INT32 and TYPE_STRING',
      );
    return;
  }
  const [only] = given;
  if (only === undefined)
    yield read(
      path,
      `sequence batching must specify either ${choices} or 'bool_false_true' for ${control.kind} for ${model}`,
    );
  else if (given.length > 1)
    yield read(
      path,
      `sequence batching specifies more than one from ${choices} and 'bool_false_true' for ${control.kind} for ${model}`,
    );
  else if (control[only].length !== 2)
    yield read(
      `${path}.${only}`,
      `sequence batching control '${only}' must have exactly 2 entries for ${control.kind} for ${model}`,
    );
}

function* strategyProblems(
  config: ModelConfig,
  batching: SequenceBatching,
): Generator<ConfigProblem> {
  for (const [index, size] of (batching.oldest?.preferred_batch_size ?? []).entries()) {
    const path = `sequence_batching.oldest.preferred_batch_size[${index}]`;
    if (size <= 0)
      yield read(
        path,
        `sequence batching preferred batch size must be positive for ${config.name}`,
      );
    if (size > config.max_batch_size)
      yield read(
        path,
        `sequence batching preferred batch size must be <= max batch size for ${config.name}`,
      );
  }
  const utilization = batching.direct?.minimum_slot_utilization ?? 0;
  if (!(utilization >= 0 && utilization <= 1))
    yield read(
      'sequence_batching.direct.minimum_slot_utilization',
      `sequence batching minimum slot utilization must be in range (0.0, 1.0] for ${config.name}`,
    );
}

function* stateProblems(batching: SequenceBatching): Generator<ConfigProblem> {
  const inputs = new Set<string>();
  for (const [index, state] of batching.state.entries()) {
    const path = `sequence_batching.state[${index}]`;
    if (inputs.has(state.input_name))
      yield load(path, `State input name '${state.input_name}' specified more than once.`);
    inputs.add(state.input_name);
    const [initial, second] = state.initial_state;
    if (second)
      yield load(
        path,
        `initial_state field for state input '${state.input_name}' must contain exactly one or zero element. ` +
          `Found '${state.initial_state.length}' elements.`,
      );
    if (!initial) continue;
    const at = `${path}.initial_state[0]`;
    if (initial.data_type !== state.data_type)
      yield load(
        at,
        `The data type used for 'initial_state' field of state '${state.input_name}' does not match the state data type.`,
      );
    if (initial.dims.length !== state.dims.length)
      yield load(
        at,
        `'initial_state' field for state input name '${state.input_name}' has ${initial.dims.length} dimensions, ` +
          `'state' has ${state.dims.length}`,
      );
    if (initial.dims.includes(-1n))
      yield load(
        at,
        `'initial_state' field for state input name '${state.input_name}' contains variable dimensions.`,
      );
    for (const [axis, dim] of initial.dims.entries()) {
      const expected = state.dims[axis];
      if (expected !== undefined && expected !== -1n && expected !== dim)
        yield load(
          `${at}.dims[${axis}]`,
          `'initial_state' dim for input name '${state.input_name}' doesn't match 'state' dim description. ${dim} != ${expected}`,
        );
    }
  }
}

function read(path: string, text: string): ConfigProblem {
  return { path, text, phase: 'read' };
}

function load(path: string, text: string): ConfigProblem {
  return { path, text, phase: 'load' };
}
