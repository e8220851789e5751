// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { DataType } from '../addon/data-type.ts';
import { invalidArgument, type ServeError } from '../base/status.ts';
import { type Element, elementBytes, putElements, putStrings } from './elements.ts';
import { asList, isList, isUnsigned } from './json-access.ts';
import type { JsonValue } from './json-reader.ts';
import { isReal16 } from './real16.ts';
import { elementCount } from './request.ts';
import { jsonTooLarge } from './wire-errors.ts';

const INT64_MAX = 2n ** 63n - 1n;
const NOTHING = new Uint8Array(0);

/**
 * The `data` of an input, nested or flat, as the bytes of a row-major tensor. The nesting is not held against the
 * shape and integers are cut to their width, as Triton does; the number of strings is for the model to judge.
 * @param real16Json FP16 and BF16 may be numbers
 * @throws ServeError InvalidArgument
 */
export function readTensorData(
  value: JsonValue,
  datatype: DataType,
  shape: readonly bigint[],
  input: string,
  maxBytes: number,
  real16Json: boolean,
): Uint8Array {
  const data = asList(value, 'data');
  // A dimension of 2^63 or more has become negative: no list has that many elements.
  const count = shape.some((dim) => dim < 0n) ? -1n : elementCount(shape);
  if (datatype === 'BYTES') return putStrings([...flat(data)].map(utf8));
  // Nothing to read. Without dimensions Triton counts no element either, and no model takes such a tensor.
  if (shape.length === 0 || count === 0n) return NOTHING;
  if (isReal16(datatype) && !real16Json) {
    throw invalidArgument(
      `receiving ${datatype} data via JSON is not supported. ` +
        `Please use the binary data format for input ${input}`,
    );
  }
  const elements: Element[] = [];
  for (const element of flat(data)) {
    if (BigInt(elements.length) === count) throw wrongCount();
    elements.push(toElement(element, datatype));
    const bytes = elements.length * elementBytes(datatype);
    if (bytes > maxBytes) throw jsonTooLarge(bytes, maxBytes);
  }
  if (BigInt(elements.length) !== count) throw wrongCount();
  return putElements(datatype, elements);
}

const wrongCount = (): ServeError =>
  invalidArgument("Unable to parse 'data': Shape does not match true shape of 'data' field");

/** Whatever is no list, front to back, however deep. */
function* flat(list: readonly JsonValue[]): Generator<JsonValue> {
  for (const value of list) {
    if (isList(value)) yield* flat(value);
    else yield value;
  }
}

function utf8(value: JsonValue): Uint8Array {
  if (typeof value === 'string') return Buffer.from(value, 'utf8');
  throw invalidArgument(
    'Unable to parse JSON bytes array: attempt to access JSON non-string as string',
  );
}

/**
 * An element as JSON names it.
 * @throws ServeError InvalidArgument for a value of another kind
 */
export function toElement(value: JsonValue, datatype: DataType): Element {
  switch (datatype) {
    case 'BOOL':
      if (typeof value === 'boolean') return value;
      throw wrongElement('non-boolean as boolean');
    case 'FP16':
    case 'BF16':
    case 'FP32':
    case 'FP64':
      if (typeof value === 'number' || typeof value === 'bigint') return value;
      throw wrongElement('non-number as double');
    case 'UINT8':
    case 'UINT16':
    case 'UINT32':
    case 'UINT64':
      if (isUnsigned(value)) return value;
      throw wrongElement('non-unsigned-integer as unsigned-integer');
    default:
      if (typeof value === 'bigint' && value <= INT64_MAX) return value;
      throw wrongElement('non-signed-integer as signed-integer');
  }
}

const wrongElement = (wrong: string): ServeError =>
  invalidArgument(`Unable to parse 'data': attempt to access JSON ${wrong}`);
