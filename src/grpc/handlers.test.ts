// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadSync } from '@grpc/proto-loader';
import { BIG_NS, statisticsOf } from '../../test/support/fake-engine.ts';
import { FakeServer } from '../../test/support/fake-server.ts';
import { TempRepository } from '../../test/support/temp-repository.ts';
import type { GrpcReply } from '../addon/control-call.ts';

// The client's side is read by another codec's options than the server's.
const definition = loadSync(
  fileURLToPath(new URL('../../protos/inference.proto', import.meta.url)),
  {
    keepCase: true,
    longs: String,
    enums: String,
    defaults: true,
    includeDirs: [fileURLToPath(new URL('../../protos/', import.meta.url))],
  },
);

const inOrder = (compute_infer: object, compute_output: object, success: object): object => ({
  compute_infer,
  compute_output,
  success,
});

interface Method {
  readonly path: string;
  readonly requestSerialize: (value: object) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Record<string, unknown>;
}

function method(name: string): Method {
  const service = definition['inference.GRPCInferenceService'] as unknown as Record<string, Method>;
  const found = service[name];
  assert.ok(found, name);
  return found;
}

async function call(server: FakeServer, name: string, request: object = {}): Promise<unknown> {
  const { path, requestSerialize, responseDeserialize } = method(name);
  const reply = await server.grpc(path, requestSerialize(request));
  if (reply.code !== 0) return [reply.code, reply.message];
  return responseDeserialize(Buffer.from(reply.body));
}

async function start(repository: TempRepository): Promise<FakeServer> {
  await repository.addIdentity('m', [1, 3], 'version_policy { all {} }');
  await repository.addIdentity('late');
  const server = new FakeServer(repository.path);
  await server.server.start(['m']);
  return server;
}

describe('the gRPC control column', () => {
  it('answers metadata, configuration and index', async () => {
    using repository = new TempRepository();
    await using server = await start(repository);
    const metadata = (await call(server, 'ServerMetadata')) as {
      name: string;
      extensions: string[];
    };
    assert.equal(metadata.name, 'triton');
    assert.equal(metadata.extensions.length, 13);
    const tensor = (name: string): object => ({ name, datatype: 'INT32', shape: ['-1', '-1'] });
    assert.deepEqual(await call(server, 'ModelMetadata', { name: 'm' }), {
      name: 'm',
      versions: ['1', '3'],
      platform: 'identity',
      inputs: [tensor('IN')],
      outputs: [tensor('OUT')],
      properties: {},
    });
    const { config } = (await call(server, 'ModelConfig', { name: 'm', version: '1' })) as {
      config: { max_batch_size: number; input: { dims: string[] }[] };
    };
    assert.equal(config.max_batch_size, 8);
    assert.deepEqual(config.input[0]?.dims, ['-1']);
    const row = (name: string, version: string, state: string): object => ({
      name,
      version,
      state,
      reason: '',
    });
    assert.deepEqual(await call(server, 'RepositoryIndex', { ready: false }), {
      models: [row('late', '', ''), row('m', '1', 'READY'), row('m', '3', 'READY')],
    });
    assert.deepEqual(await call(server, 'RepositoryIndex', { ready: true }), {
      models: [row('m', '1', 'READY'), row('m', '3', 'READY')],
    });
  });

  it('loads with a configuration and unloads', async () => {
    using repository = new TempRepository();
    await using server = await start(repository);
    const config =
      '{"backend":"identity","max_batch_size":2,"input":[{"name":"IN","data_type":"TYPE_INT32","dims":[-1]}],"output":[{"name":"OUT","data_type":"TYPE_INT32","dims":[-1]}]}';
    const load = { model_name: 'late', parameters: { config: { string_param: config } } };
    assert.deepEqual(await call(server, 'RepositoryModelLoad', load), {});
    assert.equal(server.server.lifecycle.find('late').plan.maxBatchSize, 2);
    const unload = { model_name: 'late', parameters: { unload_dependents: { bool_param: true } } };
    assert.deepEqual(await call(server, 'RepositoryModelUnload', unload), {});
    assert.throws(() => server.server.lifecycle.find('late'));
  });

  it('refuses in the codes of gRPC and the words of Triton', async () => {
    using repository = new TempRepository();
    await using server = await start(repository);
    const table: [string, object, number, string | RegExp][] = [
      ['ModelMetadata', { name: 'nosuch' }, 5, "Request for unknown model: 'nosuch' is not found"],
      [
        'ModelMetadata',
        { name: 'm', version: 'abc' },
        3,
        /^failed to get model version from specified version string 'abc'/,
      ],
      [
        'ModelConfig',
        { name: 'm', version: '2' },
        5,
        "Request for unknown model: 'm' version 2 is not found",
      ],
      ['ModelStatistics', { name: 'nosuch' }, 3, "requested model 'nosuch' is not available"],
      [
        'RepositoryModelLoad',
        { model_name: 'nosuch' },
        13,
        /^failed to load 'nosuch', failed to poll from model repository/,
      ],
      [
        'RepositoryModelLoad',
        { repository_name: 'r', model_name: 'm' },
        12,
        "'repository_name' specification is not supported",
      ],
      [
        'RepositoryModelLoad',
        { model_name: 'm', parameters: { x: { int64_param: 5 } } },
        3,
        "unrecognized load parameter 'x'.",
      ],
      [
        'RepositoryModelLoad',
        {
          model_name: 'm',
          parameters: {
            'file:1/x': { bytes_param: Buffer.from('x') },
            config: { string_param: '{}' },
          },
        },
        13,
        /^failed to load 'm', failed to poll from model repository: .*Could not determine backend/,
      ],
      [
        'RepositoryModelLoad',
        { model_name: 'm', parameters: { 'file:1/x': { string_param: 'eA==' } } },
        3,
        "invalid value type for load parameter 'file:1/x', expected bytes_param.",
      ],
      [
        'RepositoryModelLoad',
        { model_name: 'm', parameters: { 'file:1/x': {} } },
        3,
        "invalid value type for load parameter 'file:1/x', expected bytes_param.",
      ],
      [
        'RepositoryModelUnload',
        { model_name: 'm', parameters: { unload_dependents: { string_param: 'yes' } } },
        3,
        "invalid value type for 'unload_dependents' parameter, expected bool_param.",
      ],
      ['SystemSharedMemoryRegister', { name: 'r' }, 12, /^Client shared memory is disabled\./],
    ];
    for (const [name, request, code, message] of table) {
      const [gotCode, gotMessage] = (await call(server, name, request)) as [number, string];
      assert.equal(gotCode, code, name);
      if (typeof message === 'string') assert.equal(gotMessage, message);
      else assert.match(gotMessage, message);
    }
    assert.deepEqual(await call(server, 'SystemSharedMemoryStatus'), { regions: {} });
    assert.deepEqual(await call(server, 'CudaSharedMemoryUnregister'), {});
  });

  it('carries statistics with all 64 bits', async () => {
    using repository = new TempRepository();
    await using server = await start(repository);
    server.engine.statistics = [statisticsOf('m', 1), statisticsOf('m', 3)];
    const { model_stats } = (await call(server, 'ModelStatistics', {
      name: 'm',
      version: '3',
    })) as {
      model_stats: {
        version: string;
        last_inference: string;
        inference_stats: { success: { count: string; ns: string } };
        batch_stats: { batch_size: string }[];
      }[];
    };
    const [row] = model_stats;
    assert.equal(model_stats.length, 1);
    assert.equal(row?.version, '3');
    assert.equal(row?.last_inference, '1764000000000');
    assert.deepEqual(row?.inference_stats.success, { count: '2', ns: String(BIG_NS) });
    assert.equal(row?.batch_stats[0]?.batch_size, '2');
  });

  it('carries the statistics of responses by their index', async () => {
    using repository = new TempRepository();
    await using server = await start(repository);
    const one = { count: 1n, ns: BIG_NS };
    const none = { count: 0n, ns: 0n };
    const first = { computeInfer: one, computeOutput: one, success: one, fail: none };
    const last = { computeInfer: none, computeOutput: none, success: none, fail: none };
    server.engine.statistics = [
      {
        ...statisticsOf('m', 3),
        responses: [
          { ...first, emptyResponse: none, cancel: none },
          { ...last, emptyResponse: one, cancel: none },
        ],
      },
    ];
    const { model_stats } = (await call(server, 'ModelStatistics', { name: 'm' })) as {
      model_stats: { response_stats: Record<string, Record<string, unknown>> }[];
    };
    const sent = { count: '1', ns: String(BIG_NS) };
    const zero = { count: '0', ns: '0' };
    assert.deepEqual(model_stats[0]?.response_stats, {
      0: { ...inOrder(sent, sent, sent), fail: zero, empty_response: zero, cancel: zero },
      1: { ...inOrder(zero, zero, zero), fail: zero, empty_response: sent, cancel: zero },
    });
  });

  it('answers unknown methods and bytes that are no message', async () => {
    using repository = new TempRepository();
    await using server = await start(repository);
    const status = ({ code, message }: GrpcReply): unknown[] => [code, message];
    for (const path of [
      '/inference.GRPCInferenceService/Nope',
      '/inference.GRPCInferenceService/constructor',
      '/x.Y/Z',
      '',
    ]) {
      assert.deepEqual(status(await server.grpc(path)), [12, `unknown method '${path}'`]);
    }
    const truncated = await server.grpc(
      '/inference.GRPCInferenceService/ModelMetadata',
      Buffer.from([0x0a, 0x05, 0x6d]),
    );
    assert.deepEqual(status(truncated), [13, 'Unable to parse request']);
  });
});
