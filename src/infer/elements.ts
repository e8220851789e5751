// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { type DataType, ELEMENT_BYTES } from '../addon/data-type.ts';
import { internal } from '../base/status.ts';
import { BF16, FP16, type Real16, readReal16, roundReal16 } from './real16.ts';

/** In front of each BYTES element: its length, little-endian. */
export const LENGTH_BYTES = 4;

/** Bytes of one element; 0 for BYTES, whose elements have no fixed size. */
export const elementBytes = (datatype: DataType): number =>
  datatype === 'BYTES' ? 0 : ELEMENT_BYTES[datatype];

/** @returns undefined for a name that is no element type */
export const asDataType = (name: string): DataType | undefined =>
  name === 'BYTES' || Object.hasOwn(ELEMENT_BYTES, name) ? (name as DataType) : undefined;

/** Elements that JSON and typed contents can name: integers as bigint, reals as number. */
export type Element = boolean | bigint | number;

type Put = (view: DataView, offset: number, value: Element) => void;
type Take = (view: DataView, offset: number) => Element;

interface Access {
  readonly put: Put;
  readonly take: Take;
}

// Integers are cut to their width, as Triton does. BYTES have no elements of their own.
const ACCESS: Readonly<Partial<Record<DataType, Access>>> = {
  BOOL: {
    put: (view, at, value) => view.setUint8(at, Number(value) === 0 ? 0 : 1),
    take: (view, at) => view.getUint8(at) !== 0,
  },
  UINT8: {
    put: (view, at, value) => view.setUint8(at, cut(value, 8)),
    take: (view, at) => BigInt(view.getUint8(at)),
  },
  UINT16: {
    put: (view, at, value) => view.setUint16(at, cut(value, 16), true),
    take: (view, at) => BigInt(view.getUint16(at, true)),
  },
  UINT32: {
    put: (view, at, value) => view.setUint32(at, cut(value, 32), true),
    take: (view, at) => BigInt(view.getUint32(at, true)),
  },
  UINT64: {
    put: (view, at, value) => view.setBigUint64(at, BigInt(value), true),
    take: (view, at) => view.getBigUint64(at, true),
  },
  INT8: {
    put: (view, at, value) => view.setUint8(at, cut(value, 8)),
    take: (view, at) => BigInt(view.getInt8(at)),
  },
  INT16: {
    put: (view, at, value) => view.setUint16(at, cut(value, 16), true),
    take: (view, at) => BigInt(view.getInt16(at, true)),
  },
  INT32: {
    put: (view, at, value) => view.setUint32(at, cut(value, 32), true),
    take: (view, at) => BigInt(view.getInt32(at, true)),
  },
  INT64: {
    put: (view, at, value) => view.setBigInt64(at, BigInt(value), true),
    take: (view, at) => view.getBigInt64(at, true),
  },
  FP16: real16Access(FP16),
  BF16: real16Access(BF16),
  FP32: {
    put: (view, at, value) => view.setFloat32(at, Number(value), true),
    take: (view, at) => view.getFloat32(at, true),
  },
  FP64: {
    put: (view, at, value) => view.setFloat64(at, Number(value), true),
    take: (view, at) => view.getFloat64(at, true),
  },
};

function real16Access(form: Real16): Access {
  return {
    put: (view, at, value) => view.setUint16(at, roundReal16(form, Number(value)), true),
    take: (view, at) => readReal16(form, view.getUint16(at, true)),
  };
}

const cut = (value: Element, bits: number): number => Number(BigInt.asUintN(bits, BigInt(value)));

function accessOf(datatype: DataType): Access {
  const access = ACCESS[datatype];
  if (access === undefined) throw internal(`${datatype} has no elements`);
  return access;
}

/** Elements to tensor bytes. */
export function putElements(datatype: DataType, values: readonly Element[]): Uint8Array {
  const { put } = accessOf(datatype);
  const size = elementBytes(datatype);
  const bytes = new Uint8Array(values.length * size);
  const view = new DataView(bytes.buffer);
  for (const [index, value] of values.entries()) put(view, index * size, value);
  return bytes;
}

/** Tensor bytes to elements. */
export function takeElements(datatype: DataType, bytes: Uint8Array): Element[] {
  const { take } = accessOf(datatype);
  const size = elementBytes(datatype);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values: Element[] = [];
  for (let at = 0; at + size <= bytes.byteLength; at += size) values.push(take(view, at));
  return values;
}

/** Strings to a BYTES tensor. */
export function putStrings(strings: readonly Uint8Array[]): Uint8Array {
  const total = strings.reduce((sum, one) => sum + LENGTH_BYTES + one.length, 0);
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const one of strings) {
    view.setUint32(at, one.length, true);
    bytes.set(one, at + LENGTH_BYTES);
    at += LENGTH_BYTES + one.length;
  }
  return bytes;
}

/** A BYTES tensor, element by element; `problem` is set on the last one when the bytes end inside it. */
export function* walkStrings(
  bytes: Uint8Array,
): Generator<
  { bytes: Uint8Array } | { problem: 'length' | 'data'; expected: number; got: number }
> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  while (at < bytes.length) {
    const left = bytes.length - at;
    if (left < LENGTH_BYTES) {
      yield { problem: 'length', expected: LENGTH_BYTES, got: left };
      return;
    }
    const length = view.getUint32(at, true);
    if (length > left - LENGTH_BYTES) {
      yield { problem: 'data', expected: length, got: left - LENGTH_BYTES };
      return;
    }
    at += LENGTH_BYTES + length;
    yield { bytes: bytes.subarray(at - length, at) };
  }
}
