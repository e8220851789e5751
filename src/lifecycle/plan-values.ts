// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { DataType } from '../addon/data-type.ts';
import { invalidArgument } from '../base/status.ts';
import type { ConfigDataType } from '../config/model-config.ts';

/** The wire's name of a configuration's element type. */
export function dataTypeOf(type: ConfigDataType): DataType {
  if (type === 'TYPE_INVALID')
    throw invalidArgument("data_type: expected a type, got 'TYPE_INVALID'");
  return type === 'TYPE_STRING' ? 'BYTES' : (type.slice('TYPE_'.length) as DataType);
}

/** @throws ServeError InvalidArgument for a dimension that no tensor can have */
export function toDim(dim: bigint): number {
  if (dim > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw invalidArgument(`dims: expected at most ${Number.MAX_SAFE_INTEGER}, got ${dim}`);
  }
  return Number(dim);
}

/** Beyond 2^53 it is all the same. */
export function toInteger(number: bigint): number {
  const most = BigInt(Number.MAX_SAFE_INTEGER);
  return Number(number < most ? number : most);
}
