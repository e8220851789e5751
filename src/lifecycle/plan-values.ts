// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { DataType } from '../addon/data-type.ts';
import { invalidArgument } from '../base/status.ts';
import type { ConfigDataType } from '../config/model-config.ts';

/** Texts aside. */
export const ELEMENT_BYTES: Readonly<Record<Exclude<DataType, 'BYTES'>, number>> = {
  BOOL: 1,
  UINT8: 1,
  UINT16: 2,
  UINT32: 4,
  UINT64: 8,
  INT8: 1,
  INT16: 2,
  INT32: 4,
  INT64: 8,
  FP16: 2,
  FP32: 4,
  FP64: 8,
  BF16: 2,
};

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
