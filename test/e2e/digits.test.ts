// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { type Client, credentials, loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { projectRoot, startNereid } from '../support/nereid.ts';

const PIXELS = 64;
const CLASSES = 10;
const BATCH = 64;
const FLOOR = 0.95;

/** What the server said about a batch of n images. */
interface Reading {
  /** Bytes of FP32 [n, 10]. */
  readonly probabilities: Buffer;
  /** Bytes of INT64 [n, 1]. */
  readonly labels: Buffer;
}

/** Sends images FP32 [n, 1, 8, 8] one way and returns the answer's bytes. */
type Ask = (images: Float32Array) => Promise<Reading>;

interface TensorJson {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data?: readonly number[];
  readonly parameters?: { readonly binary_data_size: number };
}

interface InferAnswer {
  readonly model_name: string;
  readonly outputs: readonly TensorJson[];
}

const bytesOf = (view: ArrayBufferView): Buffer =>
  Buffer.from(view.buffer, view.byteOffset, view.byteLength);

const shapeOf = (images: Float32Array): number[] => [images.length / PIXELS, 1, 8, 8];

/** Finds an output by name after checking that the answer declares what the model promises. */
function output(
  answer: { outputs: readonly { name: string; datatype: string; shape: readonly unknown[] }[] },
  rows: number,
  name: 'probabilities' | 'label',
): number {
  const index = answer.outputs.findIndex((tensor) => tensor.name === name);
  const found = answer.outputs[index];
  assert.ok(found, `no output '${name}'`);
  assert.equal(found.datatype, name === 'label' ? 'INT64' : 'FP32');
  assert.deepEqual(found.shape.map(Number), [rows, name === 'label' ? 1 : CLASSES]);
  return index;
}

async function post(url: string, body: string | Buffer, headLength?: number): Promise<Response> {
  const response = await fetch(url, {
    method: 'POST',
    body,
    headers: {
      'content-type': headLength === undefined ? 'application/json' : 'application/octet-stream',
      ...(headLength === undefined ? {} : { 'inference-header-content-length': `${headLength}` }),
    },
    signal: AbortSignal.timeout(30_000),
  });
  if (response.status !== 200) assert.fail(`${response.status} ${await response.text()}`);
  return response;
}

function httpJson(url: string): Ask {
  return async (images) => {
    const image = { name: 'image', shape: shapeOf(images), datatype: 'FP32', data: [...images] };
    const response = await post(url, JSON.stringify({ inputs: [image] }));
    const answer = (await response.json()) as InferAnswer;
    const rows = images.length / PIXELS;
    const data = (name: 'probabilities' | 'label'): readonly number[] =>
      answer.outputs[output(answer, rows, name)]?.data ?? [];
    return {
      probabilities: bytesOf(Float32Array.from(data('probabilities'))),
      labels: bytesOf(BigInt64Array.from(data('label'), BigInt)),
    };
  };
}

function httpBinary(url: string): Ask {
  return async (images) => {
    const image = {
      name: 'image',
      shape: shapeOf(images),
      datatype: 'FP32',
      parameters: { binary_data_size: images.byteLength },
    };
    const head = JSON.stringify({ inputs: [image], parameters: { binary_data_output: true } });
    const body = Buffer.concat([Buffer.from(head), bytesOf(images)]);
    const response = await post(url, body, head.length);
    const bytes = Buffer.from(await response.arrayBuffer());
    let at = Number(response.headers.get('inference-header-content-length'));
    const answer = JSON.parse(bytes.toString('utf8', 0, at)) as InferAnswer;
    const rows = images.length / PIXELS;
    const parts = answer.outputs.map((tensor) => {
      const size = tensor.parameters?.binary_data_size ?? 0;
      at += size;
      return bytes.subarray(at - size, at);
    });
    assert.equal(at, bytes.length);
    return {
      probabilities: parts[output(answer, rows, 'probabilities')] ?? Buffer.alloc(0),
      labels: parts[output(answer, rows, 'label')] ?? Buffer.alloc(0),
    };
  };
}

interface GrpcAnswer {
  readonly outputs: readonly { name: string; datatype: string; shape: readonly string[] }[];
  readonly raw_output_contents: readonly Buffer[];
}

interface InferenceClient extends Client {
  ModelInfer(
    request: object,
    options: { deadline: number },
    done: (error: Error | null, answer: GrpcAnswer) => void,
  ): void;
}

function connectGrpc(address: string): InferenceClient {
  const definition = loadSync(`${projectRoot}protos/inference.proto`, {
    keepCase: true,
    longs: String,
  });
  const root = loadPackageDefinition(definition) as unknown as {
    inference: {
      GRPCInferenceService: new (address: string, creds: object) => InferenceClient;
    };
  };
  return new root.inference.GRPCInferenceService(address, credentials.createInsecure());
}

function grpc(client: InferenceClient): Ask {
  return async (images) => {
    const request = {
      model_name: 'digits',
      inputs: [{ name: 'image', shape: shapeOf(images), datatype: 'FP32' }],
      raw_input_contents: [bytesOf(images)],
    };
    const answer = await new Promise<GrpcAnswer>((resolve, reject) => {
      client.ModelInfer(request, { deadline: Date.now() + 30_000 }, (error, value) => {
        if (error === null) resolve(value);
        else reject(error);
      });
    });
    const rows = images.length / PIXELS;
    const raw = (name: 'probabilities' | 'label'): Buffer =>
      answer.raw_output_contents[output(answer, rows, name)] ?? Buffer.alloc(0);
    return { probabilities: raw('probabilities'), labels: raw('label') };
  };
}

/** Asks for all images, `batch` at a time and one request after the other: nothing else joins a batch. */
async function readAll(ask: Ask, images: Float32Array, batch: number): Promise<Reading> {
  const readings: Reading[] = [];
  for (let at = 0; at < images.length; at += batch * PIXELS) {
    readings.push(await ask(images.subarray(at, at + batch * PIXELS)));
  }
  return {
    probabilities: Buffer.concat(readings.map((reading) => reading.probabilities)),
    labels: Buffer.concat(readings.map((reading) => reading.labels)),
  };
}

function accuracy(reading: Reading, expected: readonly number[]): number {
  assert.equal(reading.labels.length, expected.length * 8);
  const right = expected.filter(
    (label, i) => Number(reading.labels.readBigInt64LE(i * 8)) === label,
  );
  return right.length / expected.length;
}

describe('digits', () => {
  let server: Awaited<ReturnType<typeof startNereid>>;
  let client: InferenceClient;
  let ways: Record<'HTTP JSON' | 'HTTP binary' | 'gRPC', Ask>;
  let images: Float32Array;
  let labels: readonly number[];

  before(async () => {
    const heldOut = JSON.parse(
      await readFile(`${projectRoot}test/fixtures/digits/held-out.json`, 'utf8'),
    ) as { labels: number[]; images: number[][] };
    labels = heldOut.labels;
    images = Float32Array.from(heldOut.images.flat(), (pixel) => pixel / 16);
    server = await startNereid({ args: [`--model-repository=${projectRoot}model_repository`] });
    client = connectGrpc(server.endpoints.grpc);
    const url = `http://${server.endpoints.http}/v2/models/digits/infer`;
    ways = { 'HTTP JSON': httpJson(url), 'HTTP binary': httpBinary(url), gRPC: grpc(client) };
  });

  after(async () => {
    client?.close();
    await server?.stop();
  });

  it('holds every digit in the held-out set', () => {
    assert.equal(images.length, labels.length * PIXELS);
    assert.ok(labels.length >= 300);
    assert.deepEqual(
      [...new Set(labels)].sort(),
      Array.from({ length: CLASSES }, (_, i) => i),
    );
  });

  for (const way of ['HTTP JSON', 'HTTP binary', 'gRPC'] as const) {
    it(`reads at least ${FLOOR} of the held-out images over ${way}`, async () => {
      const share = accuracy(await readAll(ways[way], images, BATCH), labels);
      assert.ok(share >= FLOOR, `${share} of the images read rightly`);
    });

    it(`reads them as well one by one over ${way}`, async () => {
      const share = accuracy(await readAll(ways[way], images, 1), labels);
      assert.ok(share >= FLOOR, `${share} of the images read rightly`);
    });
  }

  it('answers with the same bits whichever way it is asked', async () => {
    for (const batch of [1, BATCH]) {
      const json = await readAll(ways['HTTP JSON'], images, batch);
      const binary = await readAll(ways['HTTP binary'], images, batch);
      const overGrpc = await readAll(ways.gRPC, images, batch);
      assert.equal(binary.probabilities.length, labels.length * CLASSES * 4);
      assert.ok(json.probabilities.equals(binary.probabilities), 'probabilities, JSON and binary');
      assert.ok(
        overGrpc.probabilities.equals(binary.probabilities),
        'probabilities, gRPC and binary',
      );
      assert.ok(json.labels.equals(binary.labels), 'labels, JSON and binary');
      assert.ok(overGrpc.labels.equals(binary.labels), 'labels, gRPC and binary');
    }
  });

  it('answers many requests at once as it answers them alone', async () => {
    const answers = await Promise.all(
      labels.map((_, i) => ways.gRPC(images.subarray(i * PIXELS, (i + 1) * PIXELS))),
    );
    const together = {
      probabilities: Buffer.concat(answers.map((answer) => answer.probabilities)),
      labels: Buffer.concat(answers.map((answer) => answer.labels)),
    };
    const alone = await readAll(ways.gRPC, images, 1);
    assert.ok(together.labels.equals(alone.labels));
  });
});
