// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { invalidArgument } from '../base/status.ts';
import { asBoolean, asString, asUnsigned, isObject, isUnsigned } from './json-access.ts';
import type { JsonValue } from './json-reader.ts';
import { type InferRequest, MAX_PARAMETERS, tooMany } from './request.ts';
import { checkTextSequenceId } from './wire-errors.ts';

export type RequestParameters = Pick<InferRequest, 'binaryByDefault' | 'priority' | 'timeoutUs'>;

export const NO_PARAMETERS: RequestParameters = {
  binaryByDefault: false,
  priority: 0n,
  timeoutUs: 0n,
};

/**
 * Reads `parameters` of a request. Those of sequences are checked and go no further: no model here has sequences.
 * @throws ServeError InvalidArgument, Unimplemented
 */
export function readRequestParameters(value: JsonValue | undefined): RequestParameters {
  if (value === undefined) return NO_PARAMETERS;
  if (!isObject(value)) {
    throw invalidArgument('failed to get request params.: attempt to get members for non-object');
  }
  let { binaryByDefault, priority, timeoutUs } = NO_PARAMETERS;
  let others = 0;
  for (const [name, parameter] of value) {
    switch (name) {
      case 'sequence_id':
        checkSequenceId(parameter);
        break;
      case 'sequence_start':
      case 'sequence_end':
        asBoolean(parameter, name);
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
        if (others === MAX_PARAMETERS) throw tooMany('parameters', MAX_PARAMETERS);
        others += 1;
        checkOther(name, parameter);
    }
  }
  return { binaryByDefault, priority, timeoutUs };
}

function checkSequenceId(value: JsonValue): void {
  if (isUnsigned(value)) return;
  checkTextSequenceId(asString(value, 'sequence_id'));
}

// No backend of this server reads parameters of a request, so their values need not be kept.
function checkOther(name: string, value: JsonValue): void {
  if (name.startsWith('triton_')) {
    throw invalidArgument(
      "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified.",
    );
  }
  if (value === null || typeof value === 'object') {
    throw invalidArgument(
      `parameter '${name}' has invalid type. It should be either 'int', 'bool', or 'string'.`,
    );
  }
}
