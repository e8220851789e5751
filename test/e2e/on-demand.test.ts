// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { truncateSync } from 'node:fs';
import { connect } from 'node:http2';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { credentials, Metadata, makeGenericClientConstructor } from '@grpc/grpc-js';
import { decodeMessage, encodeMessage } from '../../src/grpc/codec.ts';
import { askHttp, inferBody } from '../support/http-client.ts';
import { GrpcInferClient } from '../support/infer-clients.ts';
import { startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { until } from '../support/until.ts';

const MIB = 1024 * 1024;

const HOW = [
  ['over HTTP', []],
  ['over HTTP, TypeScript reads', ['--infer-path=typescript']],
] as const;

async function start(repository: TempRepository, ...flags: string[]) {
  const server = await startNereid({
    args: [`--model-repository=${repository.path}`, '--model-control-mode=on-demand', ...flags],
  });
  const { http, grpc } = server.endpoints;
  const ask = async (method: string, path: string, body = '', headers = {}) => {
    const answer = await askHttp(http, method, path, { body, headers });
    return { status: answer.status, body: answer.body };
  };
  return {
    server,
    grpc,
    ask,
    infer: (model: string, headers = {}) =>
      ask('POST', `/v2/models/${model}/infer`, inferBody(), headers),
    index: async (): Promise<string[]> => {
      const { body } = await ask('POST', '/v2/repository/index');
      return (JSON.parse(body) as { name: string; state?: string }[]).map(
        ({ name, state }) => `${name} ${state ?? '-'}`,
      );
    },
    [Symbol.asyncDispose]: () => server.stop().then(() => undefined),
  };
}

/** One request to each model on one stream. @returns the model or the error of each answer */
async function streamInfer(at: string, models: readonly string[]): Promise<string[]> {
  const session = connect(`http://${at}`);
  const stream = session.request({
    ':method': 'POST',
    ':path': '/inference.GRPCInferenceService/ModelStreamInfer',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  for (const model of models) {
    const message = encodeMessage('ModelInferRequest', {
      model_name: model,
      inputs: [{ name: 'IN', datatype: 'INT32', shape: [1n, 1n] }],
      raw_input_contents: [Buffer.alloc(4)],
    });
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.length, 1);
    stream.write(Buffer.concat([head, message]));
  }
  stream.end();
  const bytes = Buffer.concat(await stream.toArray());
  session.close();
  const answers: string[] = [];
  for (let from = 0; from < bytes.length; ) {
    const end = from + 5 + bytes.readUInt32BE(from + 1);
    const answer = decodeMessage('ModelStreamInferResponse', bytes.subarray(from + 5, end)) as {
      error_message: string;
      infer_response: { model_name: string };
    };
    answers.push(answer.error_message || answer.infer_response.model_name);
    from = end;
  }
  return answers;
}

describe('mode on-demand', () => {
  it('loads a model for the requests that name it, once', async () => {
    using repository = new TempRepository();
    for (const name of ['a', 'b', 'c', 'd', 'pinned']) await repository.addIdentity(name);
    await using started = await start(repository, '--load-model=pinned');
    const { ask, index, infer, server } = started;
    assert.deepEqual(await index(), ['a -', 'b -', 'c -', 'd -', 'pinned READY']);
    const answers = await Promise.all(Array.from({ length: 50 }, () => infer('a')));
    for (const { status, body } of answers) assert.equal(status, 200, body);
    await until(() => server.log.includes("successfully loaded 'a'"));
    assert.equal(server.log.match(/loading: a:1/g)?.length, 1);
    assert.equal((await ask('GET', '/v2/models/b/ready')).status, 200);
    assert.equal((await ask('GET', '/v2/models/c')).status, 200);
    assert.equal((await ask('GET', '/v2/models/d/config')).status, 200);
    assert.deepEqual(await infer('nowhere'), {
      status: 404,
      body: '{"error":"Request for unknown model: \'nowhere\' is not found"}',
    });
    // The repository API goes on working; what it unloads comes back with the next request.
    assert.equal((await ask('POST', '/v2/repository/models/a/unload')).status, 200);
    assert.equal((await infer('a')).status, 200);
    assert.equal((await ask('GET', '/v2/models/a/versions/9/ready')).status, 404);
  });

  for (const [how, flags] of HOW) {
    it(`loads a model for infer and KServe v1 calls, ${how}`, async () => {
      using repository = new TempRepository();
      for (const name of ['a', 'b', 'c']) await repository.addIdentity(name);
      await using started = await start(repository, '--kserve-api=true', ...flags);
      const { ask, grpc, infer, index } = started;
      assert.equal((await infer('a')).status, 200);
      const predicted = await ask('POST', '/v1/models/b:predict', '{"instances":[[7]]}');
      assert.deepEqual(predicted, { status: 200, body: '{"predictions":[[7]]}' });
      await using client = new GrpcInferClient(grpc);
      const data = Buffer.from([1, 2, 3, 4]);
      const answer = await client.infer({ model: 'c', shape: [1, 1], data });
      assert.deepEqual([answer.status, answer.data], [0, data]);
      assert.deepEqual(await index(), ['a READY', 'b READY', 'c READY']);
    });
  }

  it('loads models for the messages of a stream, in their order', async () => {
    using repository = new TempRepository();
    for (const name of ['a', 'b']) await repository.addIdentity(name);
    await using started = await start(repository);
    const models = ['a', 'nowhere', 'b', 'a'];
    const answers = await streamInfer(started.grpc, models);
    assert.deepEqual(answers, ['a', "Request for unknown model: 'nowhere' is not found", 'b', 'a']);
    assert.deepEqual(await started.index(), ['a READY', 'b READY']);
  });

  it('loads a model for a gRPC call', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    await using started = await start(repository);
    const bytes = (value: Buffer): Buffer => value;
    const Client = makeGenericClientConstructor(
      {
        ready: {
          path: '/inference.GRPCInferenceService/ModelReady',
          requestStream: false,
          responseStream: false,
          requestSerialize: bytes,
          requestDeserialize: bytes,
          responseSerialize: bytes,
          responseDeserialize: bytes,
        },
      },
      'inference.GRPCInferenceService',
    );
    const client = new Client(started.grpc, credentials.createInsecure());
    const answer = await new Promise<Buffer>((resolve, reject) => {
      client['ready']?.(
        Buffer.from('\n\x01m'),
        new Metadata(),
        (error: Error | null, value?: Buffer) =>
          error !== null || value === undefined ? reject(error) : resolve(value),
      );
    });
    client.close();
    assert.deepEqual([...answer], [8, 1]);
    assert.deepEqual(await started.index(), ['m READY']);
  });

  it('answers a model that cannot be loaded, and stays ready', async () => {
    using repository = new TempRepository();
    await repository.write('broken/config.pbtxt', 'backend: "onnxruntime"');
    await repository.write('broken/1/model.onnx', 'no model');
    await using started = await start(repository);
    for (let i = 0; i < 3; i++) {
      const { status, body } = await started.infer('broken');
      assert.equal(status, 503);
      assert.match(body, /load failed for model 'broken'/);
    }
    assert.equal((await started.ask('GET', '/v2/health/ready')).status, 200);
    assert.deepEqual(await started.index(), ['broken UNAVAILABLE']);
  });

  it('serves more models than its budget holds without a failure', async () => {
    using repository = new TempRepository();
    const names = Array.from({ length: 12 }, (_, i) => `m${i}`);
    for (const name of names) {
      await repository.addIdentity(name);
      // The files of each are 100 MiB, with nothing in them: three fit.
      await repository.write(`${name}/1/weights`, '');
      truncateSync(join(repository.path, name, '1', 'weights'), 100 * MIB);
    }
    await using started = await start(repository, '--on-demand-memory-mb=350');
    for (const name of [...names, ...names]) {
      const { status, body } = await started.infer(name);
      assert.equal(status, 200, body);
      const serving = (await started.index()).filter((row) => row.endsWith(' READY'));
      assert.ok(serving.length <= 3, serving.join());
      assert.ok(serving.includes(`${name} READY`));
    }
    const evicting = /evicting 'm0' \(1\d\d\.\d MiB, idle for \d+ s\) for 'm\d+'/;
    await until(() => evicting.test(started.server.log));
    assert.equal((await started.ask('GET', '/v2/health/ready')).status, 200);
  });
});
