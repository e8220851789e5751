// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { DataType } from '../addon/data-type.ts';
import type { ParameterValue, SequencePart } from '../addon/infer-call.ts';
import type { RegionMemory } from '../addon/regions.ts';
import { invalidArgument, type ServeError } from '../base/status.ts';

/** One input as the client sent it, not yet held against a model. */
export interface InputTensor {
  readonly name: string;
  /** undefined: a name that is no datatype */
  readonly datatype: DataType | undefined;
  /** with the batch dimension; 64 bits each, negative ones included */
  readonly shape: readonly bigint[];
  /** elements in row-major order, BYTES length-prefixed */
  readonly data: Uint8Array;
}

/** One output the client named. */
export interface WantedOutput {
  readonly name: string;
  /** HTTP: in the binary tail */
  readonly binary: boolean;
  /** the k most likely classes in place of the numbers; 0 = the numbers */
  readonly classification: number;
  /** where the data goes in place of the answer */
  readonly place?: RegionMemory | undefined;
}

/** One infer call, whatever protocol it came over. */
export interface InferRequest {
  readonly id: string;
  readonly inputs: readonly InputTensor[];
  /** empty = every output of the model */
  readonly outputs: readonly WantedOutput[];
  /** HTTP: where no output is named, all of them go to the binary tail */
  readonly binaryByDefault: boolean;
  readonly priority: bigint;
  readonly timeoutUs: bigint;
  /** those that are not reserved, by name; absent = none */
  readonly parameters?: ReadonlyMap<string, ParameterValue>;
  /** absent = nothing is said about a sequence */
  readonly sequence?: SequencePart;
}

/** What one request may hold. Bounded because a tensor costs far more here than the few bytes that name it. */
export const MAX_TENSORS = 4096;
export const MAX_PARAMETERS = 1024;
export const MAX_DIMENSIONS = 32;
/** bytes of a sequence id that is text */
export const MAX_TEXT_SEQUENCE_ID = 128;

export const tooMany = (what: string, limit: number): ServeError =>
  invalidArgument(`a request may have at most ${limit} ${what}`);

/** An error that the server's core finds, as Triton begins it. */
export const coreError = (id: string, text: string): ServeError =>
  invalidArgument(`[request id: ${id === '' ? '<id_unknown>' : id}] ${text}`);

/** Product of the dimensions; 1 for none. Exact: no dimension of a client can make it wrap. */
export const elementCount = (shape: readonly bigint[]): bigint =>
  shape.reduce((product, dim) => product * dim, 1n);
