// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { credentials, Metadata, makeGenericClientConstructor } from '@grpc/grpc-js';
import { askHttp, inferBody } from '../support/http-client.ts';
import { startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { until } from '../support/until.ts';

const MIB = 1024 * 1024;

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
