// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { DataType } from '../addon/data-type.ts';
import { invalidArgument } from '../base/status.ts';
import { asDataType, type Element, putElements, putStrings } from './elements.ts';
import type { InferInputMessage, InferTensorContentsMessage } from './grpc-messages.ts';

/** A field of InferTensorContents: the datatype Triton calls it by, and the datatypes whose elements it holds. */
interface Field {
  readonly name: keyof InferTensorContentsMessage;
  readonly type: DataType;
  readonly holds: readonly DataType[];
}

// In the order of their numbers, in which Triton looks at them. FP16 and BF16 have none.
const FIELDS: readonly Field[] = [
  { name: 'bool_contents', type: 'BOOL', holds: ['BOOL'] },
  { name: 'int_contents', type: 'INT32', holds: ['INT8', 'INT16', 'INT32'] },
  { name: 'int64_contents', type: 'INT64', holds: ['INT64'] },
  { name: 'uint_contents', type: 'UINT32', holds: ['UINT8', 'UINT16', 'UINT32'] },
  { name: 'uint64_contents', type: 'UINT64', holds: ['UINT64'] },
  { name: 'fp32_contents', type: 'FP32', holds: ['FP32'] },
  { name: 'fp64_contents', type: 'FP64', holds: ['FP64'] },
  { name: 'bytes_contents', type: 'BYTES', holds: ['BYTES'] },
];

export const hasContents = (input: InferInputMessage): boolean => input.contents !== null;

/**
 * The elements of an input's `contents` as tensor bytes; how many there are is for the model to judge.
 * @throws ServeError InvalidArgument when more than one field is filled, or one of another datatype
 */
export function readContents(input: InferInputMessage, model: string): Uint8Array {
  const { contents } = input;
  const subject = `unexpected explicit tensor data for input tensor '${input.name}' for model '${model}'`;
  const datatype = asDataType(input.datatype);
  let data: Uint8Array | undefined;
  for (const { name, type, holds } of FIELDS) {
    const values = contents?.[name] ?? [];
    if (values.length === 0) continue;
    if (data !== undefined) throw invalidArgument(`${subject}, binary data was already supplied.`);
    if (datatype === undefined || !holds.includes(datatype)) {
      throw invalidArgument(
        `${subject} of type '${type}', expected datatype '${datatype ?? '<invalid>'}'`,
      );
    }
    data = toBytes(datatype, values);
  }
  return data ?? new Uint8Array(0);
}

function toBytes(
  datatype: DataType,
  values: readonly (boolean | number | string | Uint8Array)[],
): Uint8Array {
  if (datatype === 'BYTES') return putStrings(values.filter((one) => one instanceof Uint8Array));
  const isReal = datatype === 'FP32' || datatype === 'FP64';
  return putElements(
    datatype,
    values.map((value): Element => {
      if (typeof value === 'boolean') return value;
      return isReal ? Number(value) : BigInt(String(value));
    }),
  );
}
