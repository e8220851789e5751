// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ParameterValue, SequencePart } from '../addon/infer-call.ts';
import { invalidArgument } from '../base/status.ts';
import { asBoolean, asString, asUnsigned, isObject, isUnsigned } from './json-access.ts';
import type { JsonValue } from './json-reader.ts';
import { type InferRequest, MAX_PARAMETERS, tooMany } from './request.ts';
import { checkTextSequenceId } from './wire-errors.ts';

export type RequestParameters = Pick<
  InferRequest,
  'binaryByDefault' | 'priority' | 'timeoutUs' | 'parameters' | 'sequence'
>;

export const NO_SEQUENCE: SequencePart = { id: 0n, start: false, end: false };

export const NO_PARAMETERS: RequestParameters = {
  binaryByDefault: false,
  priority: 0n,
  timeoutUs: 0n,
};

/**
 * Reads `parameters` of a request.
 * @throws ServeError InvalidArgument, Unimplemented
 */
export function readRequestParameters(value: JsonValue | undefined): RequestParameters {
  if (value === undefined) return NO_PARAMETERS;
  if (!isObject(value)) {
    throw invalidArgument('failed to get request params.: attempt to get members for non-object');
  }
  let { binaryByDefault, priority, timeoutUs } = NO_PARAMETERS;
  const sequence: { -readonly [K in keyof SequencePart]: SequencePart[K] } = { ...NO_SEQUENCE };
  const others = new Map<string, ParameterValue>();
  for (const [name, parameter] of value) {
    switch (name) {
      case 'sequence_id':
        sequence.id = readSequenceId(parameter);
        break;
      case 'sequence_start':
        sequence.start = asBoolean(parameter, name);
        break;
      case 'sequence_end':
        sequence.end = asBoolean(parameter, name);
        break;
      case 'priority':
        priority = asUnsigned(parameter, name);
        break;
      case 'timeout':
        timeoutUs = asUnsigned(parameter, name);
        break;
      case 'binary_data_output':
        binaryByDefault = asBoolean(parameter, name);
        break;
      default:
        if (others.size === MAX_PARAMETERS) throw tooMany('parameters', MAX_PARAMETERS);
        others.set(name, readOther(name, parameter));
    }
  }
  return { binaryByDefault, priority, timeoutUs, parameters: others, sequence };
}

function readSequenceId(value: JsonValue): bigint | string {
  if (isUnsigned(value)) return asUnsigned(value, 'sequence_id');
  const text = asString(value, 'sequence_id');
  checkTextSequenceId(text);
  return text;
}

function readOther(name: string, value: JsonValue): ParameterValue {
  if (name.startsWith('triton_')) {
    throw invalidArgument(
      "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified.",
    );
  }
  if (value !== null && typeof value !== 'object') return value;
  throw invalidArgument(
    `parameter '${name}' has invalid type. It should be either 'int', 'bool', or 'string'.`,
  );
}
