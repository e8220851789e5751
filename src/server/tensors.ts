// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { DataType } from '../addon/data-type.ts';
import type { TensorValue } from '../addon/infer-call.ts';
import { invalidArgument } from '../base/status.ts';
import { LENGTH_BYTES, putStrings } from '../infer/elements.ts';

/** JavaScript's array of each element type. FP16 and BF16 are their bits; BOOL is 0 or 1 per byte. */
export interface DataTypeArrays {
  readonly BOOL: Uint8Array;
  readonly UINT8: Uint8Array;
  readonly UINT16: Uint16Array;
  readonly UINT32: Uint32Array;
  readonly UINT64: BigUint64Array;
  readonly INT8: Int8Array;
  readonly INT16: Int16Array;
  readonly INT32: Int32Array;
  readonly INT64: BigInt64Array;
  readonly FP16: Uint16Array;
  readonly FP32: Float32Array;
  readonly FP64: Float64Array;
  readonly BF16: Uint16Array;
  readonly BYTES: readonly (string | Uint8Array)[];
}

/** One tensor to send: `data` holds the elements in row-major order. */
export type InputTensor = {
  readonly [T in DataType]: {
    readonly datatype: T;
    readonly shape: readonly number[];
    readonly data: DataTypeArrays[T];
  };
}[DataType];

/** One tensor received. BYTES elements are `Uint8Array`; `new TextDecoder().decode(element)` makes text of them. */
export type OutputTensor = {
  readonly [T in DataType]: {
    readonly datatype: T;
    readonly shape: readonly number[];
    readonly data: T extends 'BYTES' ? readonly Uint8Array[] : DataTypeArrays[T];
  };
}[DataType];

const ARRAYS = {
  BOOL: Uint8Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  FP16: Uint16Array,
  FP32: Float32Array,
  FP64: Float64Array,
  BF16: Uint16Array,
} as const;

/**
 * Turns a typed tensor into the bytes that cross to native.
 * @throws ServeError InvalidArgument when `data` is not the array of its type or does not fill `shape`
 */
export function encodeTensor(name: string, tensor: InputTensor): TensorValue {
  const { datatype, shape, data } = tensor;
  const count = elementCount(name, shape);
  if (data.length !== count) {
    throw invalidArgument(
      `input '${name}': expected ${count} elements for shape [${shape.join(',')}], got ${data.length}`,
    );
  }
  if (datatype === 'BYTES') return { name, datatype, shape, data: encodeBytes(name, data) };
  const expected = Object.hasOwn(ARRAYS, datatype) ? ARRAYS[datatype] : undefined;
  if (expected === undefined || !(data instanceof expected)) {
    const got = Object.prototype.toString.call(data).slice('[object '.length, -1);
    throw invalidArgument(
      `input '${name}': expected a ${expected?.name ?? 'known datatype'} for ${datatype}, got ${got}`,
    );
  }
  return {
    name,
    datatype,
    shape,
    data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  };
}

/** Turns what native answered into a typed tensor. The elements are not copied where they lie aligned. */
export function decodeTensor({ datatype, shape, data }: TensorValue): OutputTensor {
  if (datatype === 'BYTES') return { datatype, shape, data: decodeBytes(data) };
  const array = ARRAYS[datatype];
  const bytes = data.byteOffset % array.BYTES_PER_ELEMENT === 0 ? data : data.slice();
  const elements = new array(
    bytes.buffer as ArrayBuffer,
    bytes.byteOffset,
    bytes.byteLength / array.BYTES_PER_ELEMENT,
  );
  return { datatype, shape, data: elements } as OutputTensor;
}

function elementCount(name: string, shape: readonly number[]): number {
  let count = 1;
  for (const dim of shape) {
    if (!Number.isSafeInteger(dim) || dim < 0) {
      throw invalidArgument(`input '${name}': expected dimensions of 0 or more, got [${shape}]`);
    }
    count *= dim;
  }
  return count;
}

// Each element is its length, 4 bytes little-endian, and its bytes.
function encodeBytes(name: string, elements: readonly (string | Uint8Array)[]): Uint8Array {
  const encoder = new TextEncoder();
  const parts = elements.map((element) => {
    if (typeof element === 'string') return encoder.encode(element);
    if (element instanceof Uint8Array) return element;
    throw invalidArgument(`input '${name}': expected strings or Uint8Arrays for BYTES`);
  });
  return putStrings(parts);
}

function decodeBytes(data: Uint8Array): Uint8Array[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const result: Uint8Array[] = [];
  let offset = 0;
  while (offset + LENGTH_BYTES <= data.length) {
    const start = offset + LENGTH_BYTES;
    const end = start + view.getUint32(offset, true);
    result.push(data.subarray(start, end));
    offset = end;
  }
  return result;
}
