// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { Agent, request } from 'node:http';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { decodeMessage, encodeMessage } from '../../src/grpc/codec.ts';

/** A tensor IN of INT32 for a model of TempRepository. */
export interface Rows {
  readonly model: string;
  readonly shape: readonly [rows: number, columns: number];
  readonly data: Buffer;
  /** absent = belongs to no sequence. Only over gRPC. */
  readonly sequence?: { readonly id: number; readonly start: boolean; readonly end: boolean };
}

/** `status`: of HTTP, or gRPC's code. `data` and `shape`: of the output OUT where it was answered. */
export interface RowsAnswer {
  readonly status: number;
  readonly error: string;
  readonly shape: readonly number[];
  readonly data: Buffer;
}

export interface CallOptions {
  /** milliseconds; the server is told of it, and the client leaves when it is over */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** A client that left before the answer came. */
export class LeftError extends Error {}

export interface InferClient extends AsyncDisposable {
  infer(rows: Rows, options?: CallOptions): Promise<RowsAnswer>;
}

const NOTHING = { shape: [], data: Buffer.alloc(0) };

/** HTTP/1.1 with connections that stay; tensors in the binary tail. */
export class HttpInferClient implements InferClient {
  readonly #host: string;
  readonly #port: string;
  readonly #agent: Agent;

  /** @param at host:port */
  constructor(at: string, connections: number) {
    const [host = '', port = ''] = at.split(':');
    this.#host = host;
    this.#port = port;
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  infer({ model, shape, data }: Rows, { timeoutMs, signal }: CallOptions = {}) {
    const json = JSON.stringify({
      ...(timeoutMs === undefined ? {} : { parameters: { timeout: timeoutMs * 1000 } }),
      inputs: [
        { name: 'IN', shape, datatype: 'INT32', parameters: { binary_data_size: data.length } },
      ],
      outputs: [{ name: 'OUT', parameters: { binary_data: true } }],
    });
    const headers = {
      'Content-Length': Buffer.byteLength(json) + data.length,
      'Inference-Header-Content-Length': Buffer.byteLength(json),
    };
    return new Promise<RowsAnswer>((resolve, reject) => {
      const leave = (error: Error): void =>
        reject(signal?.aborted === true ? new LeftError(error.message) : error);
      const call = request(
        {
          host: this.#host,
          port: this.#port,
          path: `/v2/models/${model}/infer`,
          method: 'POST',
          agent: this.#agent,
          headers,
          ...(signal === undefined ? {} : { signal }),
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', leave);
          response.on('end', () => {
            const body = Buffer.concat(chunks);
            const status = response.statusCode ?? 0;
            if (status !== 200) {
              resolve({ ...NOTHING, status, error: body.toString() });
              return;
            }
            const size = Number(response.headers['inference-header-content-length']);
            const head = JSON.parse(body.toString('utf8', 0, size)) as {
              outputs: { shape: number[] }[];
            };
            const found = head.outputs[0]?.shape ?? [];
            resolve({ status, error: '', shape: found, data: body.subarray(size) });
          });
        },
      );
      call.on('error', leave);
      call.write(json);
      call.end(data);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy();
  }
}

const FRAME_HEAD_BYTES = 5;

/** ModelInfer over one HTTP/2 connection. */
export class GrpcInferClient implements InferClient {
  readonly #session: ClientHttp2Session;

  /** @param at host:port */
  constructor(at: string) {
    this.#session = connect(`http://${at}`);
    // Each call tells of it.
    this.#session.on('error', () => undefined);
  }

  infer({ model, shape, data, sequence }: Rows, { timeoutMs, signal }: CallOptions = {}) {
    const message = encodeMessage('ModelInferRequest', {
      model_name: model,
      ...(sequence === undefined ? {} : { parameters: sequenceParameters(sequence) }),
      inputs: [{ name: 'IN', datatype: 'INT32', shape: shape.map(BigInt) }],
      raw_input_contents: [data],
    });
    const frame = Buffer.alloc(FRAME_HEAD_BYTES + message.length);
    frame.writeUInt32BE(message.length, 1);
    frame.set(message, FRAME_HEAD_BYTES);
    return new Promise<RowsAnswer>((resolve, reject) => {
      const stream = this.#session.request({
        ':method': 'POST',
        ':path': '/inference.GRPCInferenceService/ModelInfer',
        'content-type': 'application/grpc',
        te: 'trailers',
        ...(timeoutMs === undefined ? {} : { 'grpc-timeout': `${Math.ceil(timeoutMs * 1000)}u` }),
      });
      const answer = new GrpcAnswer(stream);
      const leave = (): void => {
        stream.close(8);
        reject(new LeftError('the client left'));
      };
      const timer = timeoutMs === undefined ? undefined : setTimeout(leave, timeoutMs);
      signal?.addEventListener('abort', leave, { once: true });
      stream.on('close', () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', leave);
        answer.read().then(resolve, reject);
      });
      stream.on('error', reject);
      stream.end(frame);
    });
  }

  /** Cuts the connection with everything on it. */
  destroy(): void {
    this.#session.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#session.destroyed) return;
    await new Promise<void>((resolve) => {
      this.#session.once('close', resolve);
      this.#session.close();
    });
  }
}

function sequenceParameters({ id, start, end }: NonNullable<Rows['sequence']>) {
  return {
    sequence_id: { int64_param: BigInt(id) },
    sequence_start: { bool_param: start },
    sequence_end: { bool_param: end },
  };
}

class GrpcAnswer {
  readonly #chunks: Buffer[] = [];
  #code: string | undefined;
  #error = '';

  constructor(stream: ClientHttp2Stream) {
    const take = (headers: Record<string, unknown>): void => {
      if (headers['grpc-status'] === undefined) return;
      this.#code = String(headers['grpc-status']);
      this.#error = decodeURIComponent(String(headers['grpc-message'] ?? ''));
    };
    stream.on('response', take);
    stream.on('trailers', take);
    stream.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
  }

  async read(): Promise<RowsAnswer> {
    if (this.#code === undefined) throw new Error('the stream ended without a status');
    if (this.#code !== '0') return { ...NOTHING, status: Number(this.#code), error: this.#error };
    const body = Buffer.concat(this.#chunks);
    const message = decodeMessage('ModelInferResponse', body.subarray(FRAME_HEAD_BYTES)) as {
      outputs: { shape: string[] }[];
      raw_output_contents: Uint8Array[];
    };
    return {
      status: 0,
      error: '',
      shape: message.outputs[0]?.shape.map(Number) ?? [],
      data: Buffer.from(message.raw_output_contents[0] ?? []),
    };
  }
}
