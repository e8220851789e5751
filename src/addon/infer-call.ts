// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { DataType } from './data-type.ts';

/** A tensor handed over for the in-process call. `data` holds the elements in row-major order, BYTES length-prefixed. */
export interface TensorValue {
  readonly name: string;
  readonly datatype: DataType;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** Of a request or an answer. A bigint has 64 bits, with or without a sign. */
export type ParameterValue = boolean | bigint | number | string;

/** Which part of which sequence a request is. */
export interface SequencePart {
  /** 64 bits without a sign, or text; 0 = no sequence */
  readonly id: bigint | string;
  readonly start: boolean;
  readonly end: boolean;
}

/** An in-process infer call (library and `--infer-path=typescript`). Inputs are copied before `infer` returns. */
export interface InferCall {
  readonly model: string;
  /** empty or absent = highest ready version */
  readonly version?: string;
  readonly id?: string;
  readonly inputs: readonly TensorValue[];
  /** names of the outputs wanted; empty = all */
  readonly outputs: readonly string[];
  readonly priority?: number;
  readonly timeoutUs?: number;
  /** what else the request says, by name, each once */
  readonly parameters?: readonly (readonly [name: string, value: ParameterValue])[];
  /** the sequence that the request belongs to; absent = none */
  readonly sequence?: SequencePart;
  /** token of the control call that it runs for: when its client goes away, the request is cancelled */
  readonly caller?: number;
}

/** The one answer of an in-process call. */
export interface InferAnswer {
  readonly modelName: string;
  readonly modelVersion: string;
  readonly id: string;
  /** what the model tells beside its outputs; absent = nothing */
  readonly parameters?: Readonly<Record<string, ParameterValue>>;
  readonly outputs: readonly TensorValue[];
}
