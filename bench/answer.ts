// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { request as httpRequest } from 'node:http';
import { connect } from 'node:http2';
import { gunzipSync } from 'node:zlib';
import { datatypeOf, type Payload } from './payload.ts';
import type { Region } from './region.ts';
import type { Scenario } from './scenario.ts';

interface Answer {
  readonly modelName: string;
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: Float32Array | readonly string[];
}

/**
 * Sends the payload once, checks model, output name, datatype, shape and every value.
 * @param region where the output is, unless it is in the answer
 * @returns the answer's body, for comparison with a later one
 * @throws Error that says what came in place of what was expected
 */
export async function checkAnswer(
  {
    protocol,
    tls = false,
    responses,
    gzip = false,
  }: Pick<Scenario, 'protocol' | 'tls' | 'responses' | 'gzip'>,
  port: number,
  payload: Payload,
  region?: Region,
): Promise<Buffer> {
  const { body, jsonBytes, coding } =
    protocol === 'grpc' ? await callGrpc(port, payload, tls) : await callHttp(port, payload);
  if (coding !== (gzip ? 'gzip' : 'identity')) throw new Error(`the answer's coding is ${coding}`);
  if (responses !== undefined) {
    const answers = readStream(body);
    if (answers.length !== responses) {
      throw new Error(`the stream holds ${answers.length} responses, expected ${responses}`);
    }
    for (const answer of answers) checkOne(answer, payload);
    return body;
  }
  const inBody =
    protocol === 'grpc'
      ? readGrpc(body, gzip)
      : readHttp(gzip ? gunzipSync(body) : body, jsonBytes);
  checkOne(region === undefined ? inBody : withOutputOf(region, inBody), payload);
  return body;
}

function checkOne(answer: Answer, payload: Payload): void {
  const datatype = datatypeOf(payload);
  const expected = [payload.modelName, payload.outputName, datatype, ...payload.outputShape].join(
    ' ',
  );
  const got = [answer.modelName, answer.name, answer.datatype, ...answer.shape].join(' ');
  if (got !== expected) throw new Error(`the answer is '${got}', expected '${expected}'`);
  if (answer.data.length !== payload.expected.length) {
    throw new Error(`the answer has ${answer.data.length} values, not ${payload.expected.length}`);
  }
  for (const [i, value] of answer.data.entries()) {
    const wanted = payload.expected[i] ?? Number.NaN;
    const isNear =
      typeof value === 'number' && typeof wanted === 'number'
        ? Math.abs(value - wanted) <= payload.tolerance
        : value === wanted;
    if (!isNear) {
      throw new Error(`value ${i} of the answer is ${value}, expected ${wanted}`);
    }
  }
}

/** An answer about shared memory has the output's head alone. */
function withOutputOf(region: Region, answer: Answer): Answer {
  if (answer.data.length > 0) throw new Error('the answer holds data in spite of the region');
  return { ...answer, data: floatsFrom(region.takeOutput()) };
}

/** GET `path` on loopback; resolves to status and text, rejects when nothing listens. */
export function getText(port: number, path: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const call = httpRequest(
      { host: '127.0.0.1', port, path, agent: false, timeout: 2000 },
      (reply) => {
        let text = '';
        reply.setEncoding('utf8').on('data', (piece: string) => {
          text += piece;
        });
        reply.on('end', () => resolve({ status: reply.statusCode ?? 0, text })).on('error', reject);
      },
    );
    call
      .on('timeout', () => call.destroy(new Error('timeout')))
      .on('error', reject)
      .end();
  });
}

interface Reply {
  readonly body: Buffer;
  /** Value of Inference-Header-Content-Length; 0 when there is none. */
  readonly jsonBytes: number;
  /** Value of Content-Encoding or grpc-encoding; `identity` when there is none. */
  readonly coding: string;
}

function callHttp(port: number, payload: Payload): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const headers = { ...payload.headers, 'content-length': String(payload.body.length) };
    const options = {
      host: '127.0.0.1',
      port,
      path: payload.path,
      method: 'POST',
      agent: false,
      headers,
    };
    const call = httpRequest({ ...options, timeout: 10_000 }, (reply) => {
      const pieces: Buffer[] = [];
      reply.on('data', (piece: Buffer) => pieces.push(piece)).on('error', reject);
      reply.on('end', () => {
        const body = Buffer.concat(pieces);
        const jsonBytes = Number(reply.headers['inference-header-content-length'] ?? 0);
        const coding = reply.headers['content-encoding'] ?? 'identity';
        if (reply.statusCode === 200) resolve({ body, jsonBytes, coding });
        else reject(new Error(`HTTP ${reply.statusCode}: ${body.toString('utf8', 0, 300)}`));
      });
    });
    call.on('timeout', () => call.destroy(new Error('no answer in 10 s'))).on('error', reject);
    call.end(payload.body);
  });
}

function callGrpc(port: number, payload: Payload, tls: boolean): Promise<Reply> {
  return new Promise((resolve, reject) => {
    // What is measured is the cipher, not trust.
    const session = tls
      ? connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
      : connect(`http://127.0.0.1:${port}`);
    const fail = (error: Error) => {
      session.destroy();
      reject(error);
    };
    session.on('error', fail);
    const stream = session.request({
      ':method': 'POST',
      ':path': payload.path,
      ...payload.headers,
    });
    const pieces: Buffer[] = [];
    let status = '(none)';
    let message = '';
    let coding = 'identity';
    const readStatus = (headers: Record<string, unknown>) => {
      coding = String(headers['grpc-encoding'] ?? coding);
      status = String(headers['grpc-status'] ?? status);
      message = String(headers['grpc-message'] ?? message);
    };
    stream.on('response', readStatus).on('trailers', readStatus).on('error', fail);
    stream.on('data', (piece: Buffer) => pieces.push(piece));
    stream.setTimeout(10_000, () => fail(new Error('no answer in 10 s')));
    stream.on('end', () => {
      session.close();
      if (status === '0') resolve({ body: Buffer.concat(pieces), jsonBytes: 0, coding });
      else reject(new Error(`gRPC status ${status} ${message}`));
    });
    stream.end(payload.body);
  });
}

function readHttp(body: Buffer, jsonBytes: number): Answer {
  const split = jsonBytes === 0 ? body.length : jsonBytes;
  const json = JSON.parse(body.toString('utf8', 0, split)) as {
    model_name: string;
    outputs: { name: string; datatype: string; shape: number[]; data?: number[] | string[] }[];
  };
  const output = json.outputs[0];
  if (json.outputs.length !== 1 || output === undefined) throw new Error('not exactly one output');
  const data =
    jsonBytes === 0
      ? valuesOf(output.data ?? [])
      : elementsFrom(output.datatype, body.subarray(split));
  return { modelName: json.model_name, ...output, data };
}

function readGrpc(body: Buffer, gzip: boolean): Answer {
  if (body[0] !== (gzip ? 1 : 0) || body.readUInt32BE(1) !== body.length - 5) {
    throw new Error('bad gRPC frame');
  }
  const message = body.subarray(5);
  return readResponse(gzip ? gunzipSync(message) : message);
}

/** Every ModelInferResponse of a stream; one that is an error ends it. */
function readStream(body: Buffer): Answer[] {
  const answers: Answer[] = [];
  for (let at = 0; at < body.length; ) {
    const size = body.readUInt32BE(at + 1);
    const message = readFields(body.subarray(at + 5, at + 5 + size));
    const error = message.get(1)?.[0];
    if (error !== undefined) throw new Error(`the stream holds an error: ${error}`);
    answers.push(readResponse(message.get(2)?.[0] ?? Buffer.alloc(0)));
    at += 5 + size;
  }
  return answers;
}

function readResponse(bytes: Buffer): Answer {
  const message = readFields(bytes);
  const output = message.get(5)?.[0];
  const raw = message.get(6)?.[0];
  if (output === undefined || raw === undefined) throw new Error('no output in ModelInferResponse');
  const head = readFields(output);
  return {
    modelName: String(message.get(1)?.[0] ?? ''),
    name: String(head.get(1)?.[0] ?? ''),
    datatype: String(head.get(2)?.[0] ?? ''),
    shape: readVarints(head.get(3)?.[0] ?? Buffer.alloc(0)),
    data: elementsFrom(String(head.get(2)?.[0] ?? ''), raw),
  };
}

function valuesOf(data: readonly number[] | readonly string[]): Float32Array | string[] {
  const texts = data.filter((value) => typeof value === 'string');
  return texts.length > 0 ? texts : Float32Array.from(data, Number);
}

function elementsFrom(datatype: string, raw: Buffer): Float32Array | string[] {
  if (datatype !== 'BYTES') return floatsFrom(raw);
  const texts: string[] = [];
  for (let at = 0; at < raw.length; ) {
    const end = at + 4 + raw.readUInt32LE(at);
    texts.push(raw.toString('utf8', at + 4, end));
    at = end;
  }
  return texts;
}

function floatsFrom(raw: Buffer): Float32Array {
  const copy = Uint8Array.from(raw);
  return new Float32Array(copy.buffer, 0, Math.floor(copy.length / 4));
}

/** Length-delimited fields of a protobuf message by number; anything else is skipped. */
function readFields(message: Buffer): Map<number, Buffer[]> {
  const fields = new Map<number, Buffer[]>();
  let at = 0;
  const next = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++];
      if (byte === undefined) throw new Error('the protobuf ends early');
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const tag = next();
    const size = next();
    if (tag % 8 === 0) continue;
    if (tag % 8 !== 2 || at + size > message.length) throw new Error(`bad protobuf tag ${tag}`);
    const number = Math.floor(tag / 8);
    fields.set(number, [...(fields.get(number) ?? []), message.subarray(at, at + size)]);
    at += size;
  }
  return fields;
}

function readVarints(bytes: Buffer): number[] {
  const values: number[] = [];
  let value = 0;
  let scale = 1;
  for (const byte of bytes) {
    value += (byte & 127) * scale;
    scale *= 128;
    if (byte < 128) {
      values.push(value);
      value = 0;
      scale = 1;
    }
  }
  return values;
}
