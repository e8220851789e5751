// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The messages of protos/inference.proto as `grpc/codec.ts` decodes them: 64-bit integers as decimal text, absent
 * fields with their default, of a oneof the name of the field that is set.
 */

export interface InferParameterMessage {
  readonly parameter_choice?:
    | 'bool_param'
    | 'int64_param'
    | 'string_param'
    | 'double_param'
    | 'uint64_param';
  readonly bool_param?: boolean;
  readonly int64_param?: string;
  readonly string_param?: string;
  readonly double_param?: number;
  readonly uint64_param?: string;
}

export type ParameterMap = Readonly<Record<string, InferParameterMessage>>;

export interface InferTensorContentsMessage {
  readonly bool_contents: readonly boolean[];
  readonly int_contents: readonly number[];
  readonly int64_contents: readonly string[];
  readonly uint_contents: readonly number[];
  readonly uint64_contents: readonly string[];
  readonly fp32_contents: readonly number[];
  readonly fp64_contents: readonly number[];
  readonly bytes_contents: readonly Uint8Array[];
}

export interface InferInputMessage {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly string[];
  readonly parameters: ParameterMap;
  readonly contents: InferTensorContentsMessage | null;
}

export interface InferOutputMessage {
  readonly name: string;
  readonly parameters: ParameterMap;
}

export interface InferRequestMessage {
  readonly model_name: string;
  readonly model_version: string;
  readonly id: string;
  readonly parameters: ParameterMap;
  readonly inputs: readonly InferInputMessage[];
  readonly outputs: readonly InferOutputMessage[];
  readonly raw_input_contents: readonly Uint8Array[];
}
