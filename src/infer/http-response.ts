// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { isUtf8 } from 'node:buffer';
import type { HttpReply } from '../addon/control-call.ts';
import type { ParameterValue, TensorValue } from '../addon/infer-call.ts';
import { internal, invalidArgument } from '../base/status.ts';
import { walkStrings } from './elements.ts';
import { numbersJson } from './json-writer.ts';
import { isReal16 } from './real16.ts';
import type { InferRequest } from './request.ts';

/** An output; without data it lies in shared memory of the client. */
export type OutputValue = Omit<TensorValue, 'data'> & { readonly data: Uint8Array | undefined };

/** A run of the model that succeeded. */
export interface InferResult {
  readonly modelName: string;
  readonly modelVersion: string;
  readonly parameters?: Readonly<Record<string, ParameterValue>> | undefined;
  /** in the model's order */
  readonly outputs: readonly OutputValue[];
}

/**
 * Writes the answer: JSON, and behind it the outputs that are wanted binary.
 * @param real16Json FP16 and BF16 become numbers
 * @throws ServeError InvalidArgument for what JSON cannot carry
 */
export function writeHttpResponse(
  result: InferResult,
  request: InferRequest,
  real16Json = false,
): HttpReply {
  const members: string[] = [];
  if (request.id !== '') members.push(`"id":${JSON.stringify(request.id)}`);
  members.push(`"model_name":${JSON.stringify(result.modelName)}`);
  members.push(`"model_version":${JSON.stringify(result.modelVersion)}`);
  if (result.parameters !== undefined)
    members.push(`"parameters":${parametersJson(result.parameters)}`);
  const tail: Uint8Array[] = [];
  const outputs = result.outputs.map((output) => {
    const { data } = output;
    if (data === undefined) return outputJson(output, '');
    if (!isBinary(output.name, request)) {
      return outputJson(output, `,"data":${dataJson({ ...output, data }, real16Json)}`);
    }
    tail.push(data);
    return outputJson(output, `,"parameters":{"binary_data_size":${data.length}}`);
  });
  members.push(`"outputs":[${outputs.join(',')}]`);
  const json = Buffer.from(`{${members.join(',')}}`, 'utf8');
  const body = Buffer.concat([json, ...tail]);
  // A tail without a byte is none: the answer is plain JSON then.
  if (body.length === json.length) {
    return { status: 200, headers: ['content-type', 'application/json'], body };
  }
  const headers = [
    'content-type',
    'application/octet-stream',
    'inference-header-content-length',
    String(json.length),
  ];
  return { status: 200, headers, body };
}

function parametersJson(parameters: Readonly<Record<string, ParameterValue>>): string {
  const members = Object.entries(parameters).map(
    ([name, value]) =>
      `${JSON.stringify(name)}:${typeof value === 'bigint' ? value : JSON.stringify(value)}`,
  );
  return `{${members.join(',')}}`;
}

/** The request-wide wish counts only where no output is named. */
function isBinary(name: string, request: InferRequest): boolean {
  if (request.outputs.length === 0) return request.binaryByDefault;
  return request.outputs.find((one) => one.name === name)?.binary === true;
}

const outputJson = ({ name, datatype, shape }: OutputValue, content: string): string =>
  `{"name":${JSON.stringify(name)},"datatype":"${datatype}","shape":[${shape.join(',')}]${content}}`;

function dataJson({ name, datatype, data }: TensorValue, real16Json: boolean): string {
  if (isReal16(datatype) && !real16Json) {
    throw invalidArgument(
      `sending ${datatype} data via JSON is not supported. Please use the binary data format for output`,
    );
  }
  return datatype === 'BYTES' ? stringsJson(name, data) : numbersJson(datatype, data);
}

function stringsJson(name: string, data: Uint8Array): string {
  const texts: string[] = [];
  for (const one of walkStrings(data)) {
    if ('problem' in one) throw internal(`output '${name}' ends inside an element`);
    if (!isUtf8(one.bytes)) {
      throw invalidArgument(
        `output '${name}' has elements that are not UTF-8 and can not be sent via JSON. ` +
          'Please use the binary data format for output',
      );
    }
    texts.push(JSON.stringify(Buffer.from(one.bytes).toString('utf8')));
  }
  return `[${texts.join(',')}]`;
}
