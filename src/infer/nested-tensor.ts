// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { isUtf8 } from 'node:buffer';
import type { DataType } from '../addon/data-type.ts';
import type { TensorValue } from '../addon/infer-call.ts';
import { readBase64 } from '../base/base64.ts';
import { internal, invalidArgument } from '../base/status.ts';
import {
  type Element,
  elementBytes,
  LENGTH_BYTES,
  putElements,
  putStrings,
  walkStrings,
} from './elements.ts';
import { toElement } from './http-tensor.ts';
import { isList, isObject } from './json-access.ts';
import type { JsonValue } from './json-reader.ts';
import { numberTexts } from './json-writer.ts';
import { MAX_DIMENSIONS } from './request.ts';
import { jsonTooLarge } from './wire-errors.ts';

/** A tensor whose shape is told by how its lists nest. */
export interface NestedTensor {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/**
 * Reads lists within lists. Strings are UTF-8, or any bytes as `{"b64": …}`.
 * @param input its name, for errors
 * @param maxBytes most bytes of the tensor
 * @throws ServeError InvalidArgument when the lists are of different lengths or depths, or an element is none
 */
export function readNested(
  value: JsonValue,
  datatype: DataType,
  input: string,
  maxBytes: number,
): NestedTensor {
  const shape = shapeOf(value, input);
  const elements: Element[] = [];
  const strings: Uint8Array[] = [];
  let bytes = 0;
  const visit = (part: JsonValue, axis: number): void => {
    const length = shape[axis];
    if (length === undefined) {
      if (isList(part)) throw ragged(input);
      if (datatype === 'BYTES') strings.push(textOf(part, input));
      else elements.push(toElement(part, datatype));
      bytes +=
        datatype === 'BYTES'
          ? LENGTH_BYTES + (strings.at(-1)?.length ?? 0)
          : elementBytes(datatype);
      if (bytes > maxBytes) throw jsonTooLarge(bytes, maxBytes);
      return;
    }
    if (!isList(part) || part.length !== length) throw ragged(input);
    for (const one of part) visit(one, axis + 1);
  };
  visit(value, 0);
  const data = datatype === 'BYTES' ? putStrings(strings) : putElements(datatype, elements);
  return { shape, data };
}

/** The lengths of the first list of each depth. */
function shapeOf(value: JsonValue, input: string): number[] {
  const shape: number[] = [];
  let part: JsonValue | undefined = value;
  while (isList(part)) {
    if (shape.length === MAX_DIMENSIONS) {
      throw invalidArgument(`input '${input}': expected at most ${MAX_DIMENSIONS} dimensions`);
    }
    shape.push(part.length);
    part = part[0];
  }
  return shape;
}

const ragged = (input: string) =>
  invalidArgument(`input '${input}': expected lists of one length at each depth`);

function textOf(value: JsonValue, input: string): Uint8Array {
  if (typeof value === 'string') return Buffer.from(value, 'utf8');
  const text = isObject(value) && value.size === 1 ? value.get('b64') : undefined;
  const bytes = typeof text === 'string' ? readBase64(text) : undefined;
  if (bytes === undefined) {
    throw invalidArgument(`input '${input}': expected a string or {"b64": base64 text}`);
  }
  return bytes;
}

/** The text of a tensor, whole and by the first dimension. */
export interface NestedText {
  readonly all: string;
  readonly rows: readonly string[];
}

/** Writes lists within lists. What JSON has no number for is null; bytes that are no UTF-8 are `{"b64": …}`. */
export function nestedJson({ name, datatype, shape, data }: TensorValue): NestedText {
  let parts =
    datatype === 'BYTES' ? stringTexts(name, data) : numberTexts(datatype, data).map(orNull);
  // From the innermost dimension out, down to the rows.
  for (const length of shape.slice(1).reverse()) parts = group(parts, length);
  const rows = shape.length === 0 ? [] : parts.length === 0 ? emptyRows(shape) : parts;
  return { all: shape.length === 0 ? (parts[0] ?? 'null') : `[${rows.join(',')}]`, rows };
}

const orNull = (text: string): string => (/[NI]/.test(text) ? 'null' : text);

function group(parts: readonly string[], length: number): string[] {
  const lists: string[] = [];
  for (let at = 0; at < parts.length; at += length) {
    lists.push(`[${parts.slice(at, at + length).join(',')}]`);
  }
  return lists;
}

/** Rows of a tensor that has no element. */
function emptyRows(shape: readonly number[]): string[] {
  let row = '[]';
  for (const length of shape.slice(1, shape.indexOf(0, 1)).reverse()) {
    row = `[${Array.from({ length }, () => row).join(',')}]`;
  }
  return shape[0] === 0 ? [] : Array.from({ length: shape[0] ?? 0 }, () => row);
}

function stringTexts(output: string, data: Uint8Array): string[] {
  const texts: string[] = [];
  for (const one of walkStrings(data)) {
    if ('problem' in one) throw internal(`output '${output}' ends inside an element`);
    const bytes = Buffer.from(one.bytes);
    texts.push(
      isUtf8(bytes) ? JSON.stringify(bytes.toString()) : `{"b64":"${bytes.toString('base64')}"}`,
    );
  }
  return texts;
}
