// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { ELEMENT_BYTES } from '../addon/data-type.ts';
import type { SequenceControlPlan, SequencePlan, SequenceStatePlan } from '../addon/model-plan.ts';
import { invalidArgument } from '../base/status.ts';
import type {
  ModelConfig,
  SequenceBatching,
  SequenceControl,
  SequenceControlKind,
  SequenceState,
} from '../config/model-config.ts';
import { dataTypeOf, toDim, toInteger } from './plan-values.ts';

const KINDS: Readonly<Record<SequenceControlKind, SequenceControlPlan['kind']>> = {
  CONTROL_SEQUENCE_START: 'start',
  CONTROL_SEQUENCE_END: 'end',
  CONTROL_SEQUENCE_READY: 'ready',
  CONTROL_SEQUENCE_CORRID: 'correlationId',
};

/** Most bytes of one initial state. */
export const MAX_INITIAL_STATE_BYTES = 1024 * 1024 * 1024;

/**
 * Compiles `sequence_batching`. Pure.
 * @param initialStates what the files of `initial_state` hold, by input name of the state
 * @throws ServeError InvalidArgument for a state that cannot be
 */
export function makeSequencePlan(
  config: ModelConfig,
  initialStates: ReadonlyMap<string, Uint8Array>,
): SequencePlan | undefined {
  const given = config.sequence_batching;
  if (given === undefined) return undefined;
  return {
    strategy: given.oldest === undefined ? 'direct' : 'oldest',
    slots: given.oldest?.max_candidate_sequences ?? Math.max(1, config.max_batch_size),
    maxIdleUs: toInteger(given.max_sequence_idle_microseconds),
    maxQueueDelayUs: toInteger(given.direct?.max_queue_delay_microseconds ?? 0n),
    minimumSlotUtilization: given.direct?.minimum_slot_utilization ?? 0,
    iterative: given.iterative_sequence,
    controls: controlsOf(given),
    states: given.state.map((state) => stateOf(state, initialStates.get(state.input_name))),
  };
}

function controlsOf(given: SequenceBatching): SequenceControlPlan[] {
  return given.control_input.flatMap((input) =>
    input.control.map((control) => ({
      name: input.name,
      kind: KINDS[control.kind],
      ...valuesOf(control),
    })),
  );
}

function valuesOf(
  control: SequenceControl,
): Pick<SequenceControlPlan, 'datatype' | 'falseValue' | 'trueValue'> {
  if (control.kind === 'CONTROL_SEQUENCE_CORRID')
    return { datatype: dataTypeOf(control.data_type), falseValue: 0, trueValue: 0 };
  const { int32_false_true: integers, fp32_false_true: floats, bool_false_true: flags } = control;
  if (integers.length > 0) return pair('INT32', integers);
  if (floats.length > 0) return pair('FP32', floats);
  return pair('BOOL', flags.map(Number));
}

function pair(
  datatype: 'INT32' | 'FP32' | 'BOOL',
  [falseValue = 0, trueValue = 1]: readonly number[],
): Pick<SequenceControlPlan, 'datatype' | 'falseValue' | 'trueValue'> {
  return { datatype, falseValue, trueValue };
}

function stateOf(state: SequenceState, file: Uint8Array | undefined): SequenceStatePlan {
  const datatype = dataTypeOf(state.data_type);
  const initial = state.initial_state[0];
  const dims = state.dims.map(toDim);
  const initialDims = initial?.dims.map(toDim) ?? dims.map((dim) => Math.max(dim, 1));
  // An empty text is its length.
  const elementBytes = datatype === 'BYTES' ? 4 : ELEMENT_BYTES[datatype];
  const bytes = initialDims.reduce((sum, dim) => sum * dim, elementBytes);
  if (bytes > MAX_INITIAL_STATE_BYTES)
    throw invalidArgument(
      `initial_state for state input '${state.input_name}': expected at most ${MAX_INITIAL_STATE_BYTES} bytes, got ${bytes}`,
    );
  const name = initial?.data_file;
  if (file !== undefined && datatype !== 'BYTES' && file.length < bytes)
    throw invalidArgument(
      `initial_state setting expects ${bytes} bytes, but the data provided from ${name} only has ${file.length} bytes.`,
    );
  const data = datatype === 'BYTES' ? file : file?.subarray(0, bytes);
  return {
    input: state.input_name,
    output: state.output_name,
    datatype,
    dims,
    initialDims,
    initialData: data ?? new Uint8Array(bytes),
  };
}
