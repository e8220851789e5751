// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { type DataType, ELEMENT_BYTES } from '../addon/data-type.ts';
import type { TensorMetadata } from '../control/models.ts';
import { writeJson } from './json.ts';

/** More elements than this are sent as bytes: a line that one would paste stays one. */
const MAX_JSON_ELEMENTS = 64;

/** Of one element that is zero; a string is its length alone. */
const zeroBytes = (datatype: DataType): number =>
  datatype === 'BYTES' ? 4 : ELEMENT_BYTES[datatype];

/** A request that a model takes: zeros in the right shapes, free dimensions 1. */
export interface ExampleRequest {
  /** the JSON part */
  readonly json: string;
  /** zero bytes behind it, for tensors that are large or that JSON does not carry */
  readonly tailBytes: number;
  /** the answer has a tensor that JSON does not carry */
  readonly binaryAnswer: boolean;
}

export interface ExampleModel {
  /** those that must be sent */
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
}

/** @param real16Json FP16 and BF16 may be numbers in JSON */
export function exampleRequest(model: ExampleModel, real16Json: boolean): ExampleRequest {
  const fitsJson = ({ datatype }: TensorMetadata): boolean =>
    real16Json || (datatype !== 'FP16' && datatype !== 'BF16');
  let tailBytes = 0;
  const inputs = model.inputs.map((input) => {
    const { name, datatype } = input;
    const shape = input.shape.map((dim) => (dim < 0n ? 1n : dim));
    const count = Number(shape.reduce((product, dim) => product * dim, 1n));
    if (fitsJson(input) && count <= MAX_JSON_ELEMENTS) {
      return { name, datatype, shape, data: Array.from({ length: count }, () => zero(datatype)) };
    }
    const bytes = count * zeroBytes(datatype);
    tailBytes += bytes;
    return { name, datatype, shape, parameters: { binary_data_size: bytes } };
  });
  const binaryAnswer = !model.outputs.every(fitsJson);
  const parameters = binaryAnswer ? { binary_data_output: true } : undefined;
  return { json: writeJson({ parameters, inputs }), tailBytes, binaryAnswer };
}

function zero(datatype: DataType): number | string | boolean {
  if (datatype === 'BYTES') return 'text';
  return datatype === 'BOOL' ? false : 0;
}

/** The same as a command line for a POSIX shell. */
export function curlCommand(
  url: string,
  { json, tailBytes, binaryAnswer }: ExampleRequest,
): string {
  const output = binaryAnswer ? ' --output answer.bin' : '';
  if (tailBytes === 0) {
    return `curl -sS ${quoted(url)}${output} -H 'Content-Type: application/json' -d ${quoted(json)}`;
  }
  const length = Buffer.byteLength(json);
  return (
    `{ printf %s ${quoted(json)}; head -c ${tailBytes} /dev/zero; } |\n` +
    `  curl -sS ${quoted(url)}${output} -H 'Inference-Header-Content-Length: ${length}' --data-binary @-`
  );
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
