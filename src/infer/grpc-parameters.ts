// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ParameterValue, SequencePart } from '../addon/infer-call.ts';
import { invalidArgument, type ServeError } from '../base/status.ts';
import type {
  InferInputMessage,
  InferOutputMessage,
  InferParameterMessage,
  ParameterMap,
} from './grpc-messages.ts';
import { NO_PARAMETERS, NO_SEQUENCE, type RequestParameters } from './http-parameters.ts';
import { MAX_PARAMETERS, tooMany } from './request.ts';
import type { RegionRange } from './shared-memory.ts';
import { checkTextSequenceId, sharedMemoryDisabled } from './wire-errors.ts';

const INT32_MAX = 2n ** 31n - 1n;
/** only streams use it */
const EMPTY_FINAL_RESPONSE = 'triton_enable_empty_final_response';

/**
 * Reads the parameters of a request.
 * @throws ServeError InvalidArgument, Unimplemented; Triton's words
 */
export function readGrpcParameters(map: ParameterMap): Omit<RequestParameters, 'binaryByDefault'> {
  let { priority, timeoutUs } = NO_PARAMETERS;
  const sequence: { -readonly [K in keyof SequencePart]: SequencePart[K] } = { ...NO_SEQUENCE };
  const others = new Map<string, ParameterValue>();
  for (const [name, parameter] of Object.entries(map)) {
    switch (name) {
      case 'sequence_id':
        sequence.id = readSequenceId(parameter);
        break;
      case 'sequence_start':
        sequence.start = readFlag(name, parameter);
        break;
      case 'sequence_end':
        sequence.end = readFlag(name, parameter);
        break;
      case EMPTY_FINAL_RESPONSE:
        readFlag(name, parameter);
        break;
      case 'priority':
        priority = readPriority(parameter);
        break;
      case 'timeout':
        if (parameter.int64_param === undefined) throw wrongType(name, 'int64_param');
        timeoutUs = BigInt.asUintN(64, BigInt(parameter.int64_param));
        break;
      default:
        if (others.size === MAX_PARAMETERS) throw tooMany('parameters', MAX_PARAMETERS);
        others.set(name, readOther(name, parameter));
    }
  }
  return { priority, timeoutUs, parameters: others, sequence };
}

const wrongType = (name: string, expected: string): ServeError =>
  invalidArgument(`invalid value type for '${name}' parameter, expected ${expected}.`);

function readFlag(name: string, { bool_param }: InferParameterMessage): boolean {
  if (bool_param === undefined) throw wrongType(name, 'bool_param');
  return bool_param;
}

function readSequenceId({ int64_param, string_param }: InferParameterMessage): bigint | string {
  if (int64_param !== undefined) return BigInt.asUintN(64, BigInt(int64_param));
  if (string_param === undefined) throw wrongType('sequence_id', 'int64_param or string_param');
  checkTextSequenceId(string_param);
  return string_param;
}

function readPriority({ int64_param, uint64_param }: InferParameterMessage): bigint {
  const text = uint64_param ?? int64_param;
  if (text === undefined) throw wrongType('priority', 'int64_param or uint64_param');
  const priority = BigInt(text);
  if (priority >= 0n) return priority;
  throw invalidArgument("invalid value for 'priority', expected value >= 0.");
}

function readOther(name: string, parameter: InferParameterMessage): ParameterValue {
  if (name.startsWith('triton_')) {
    throw invalidArgument(
      "parameter keys starting with 'triton_' are reserved for Triton usage. Only the following " +
        `keys starting with 'triton_' are allowed: ${EMPTY_FINAL_RESPONSE}`,
    );
  }
  const { bool_param, int64_param, uint64_param, double_param, string_param } = parameter;
  const integer = int64_param ?? uint64_param;
  const value =
    integer === undefined ? (bool_param ?? double_param ?? string_param) : BigInt(integer);
  if (value !== undefined) return value;
  throw wrongType(name, 'int64_param, bool_param, or string_param');
}

/**
 * @param isOn shared memory of clients is allowed
 * @returns where the tensor lies in shared memory, or undefined
 * @throws ServeError InvalidArgument, and Unimplemented for shared memory that is switched off
 */
export function readRange(
  { name, parameters }: InferInputMessage | InferOutputMessage,
  isOn: boolean,
): RegionRange | undefined {
  const region = parameters.shared_memory_region;
  if (region === undefined) {
    for (const companion of ['shared_memory_offset', 'shared_memory_byte_size']) {
      if (parameters[companion] === undefined) continue;
      throw invalidArgument(
        `'${companion}' can not be specified without 'shared_memory_region' parameter for tensor '${name}'`,
      );
    }
    return undefined;
  }
  if (region.string_param === undefined) {
    throw wrongTensorType('shared_memory_region', name, 'string_param');
  }
  if (!isOn) throw sharedMemoryDisabled();
  const number = (key: string): bigint | undefined => {
    const parameter = parameters[key];
    if (parameter === undefined) return undefined;
    if (parameter.int64_param === undefined) throw wrongTensorType(key, name, 'int64_param');
    // A negative one is larger than any region.
    return BigInt.asUintN(64, BigInt(parameter.int64_param));
  };
  const offset = number('shared_memory_offset') ?? 0n;
  const byteSize = number('shared_memory_byte_size');
  if (byteSize !== undefined) return { name: region.string_param, offset, byteSize };
  throw invalidArgument(
    "'shared_memory_byte_size' must be specified along with 'shared_memory_region' parameter for " +
      `tensor '${name}'`,
  );
}

const wrongTensorType = (parameter: string, tensor: string, expected: string): ServeError =>
  invalidArgument(
    `invalid value type for '${parameter}' parameter for tensor '${tensor}', expected ${expected}.`,
  );

/**
 * @returns the k of `classification`, 0 without it
 * @throws ServeError InvalidArgument for a k that is none
 */
export function readClassification({ parameters }: InferOutputMessage): number {
  const { classification } = parameters;
  if (classification === undefined) return 0;
  if (classification.int64_param === undefined) {
    throw invalidArgument(
      "invalid value type for 'classification' parameter, expected int64_param",
    );
  }
  const k = BigInt(classification.int64_param);
  if (k <= 0n) {
    throw invalidArgument("invalid value for 'classification' parameter, expected >= 0");
  }
  return Number(k < INT32_MAX ? k : INT32_MAX);
}
