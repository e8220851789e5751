// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addonError, FakeEngine, fakeBinding, Gate } from '../../test/support/fake-engine.ts';
import { TempRepository } from '../../test/support/temp-repository.ts';
import { until } from '../../test/support/until.ts';
import type { DataType } from '../addon/data-type.ts';
import { NereidServer } from './library.ts';
import {
  type CreateServerOptions,
  type FlagOptions,
  readLibraryOptions,
} from './library-options.ts';
import { decodeTensor, encodeTensor, type InputTensor } from './tensors.ts';

async function open(
  options: CreateServerOptions,
): Promise<{ server: NereidServer; engine: FakeEngine }> {
  const engine = new FakeEngine();
  return { server: await NereidServer.create(options, fakeBinding(engine)), engine };
}

const input: InputTensor = { shape: [1, 2], datatype: 'INT32', data: new Int32Array([1, 2]) };

describe('NereidServer', () => {
  it('loads, infers, lists and unloads', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    const { server } = await open({ modelRepository: repository.path });
    await using _ = server;
    await server.load('m');
    const answer = await server.infer('m', { id: 'a', version: 1, inputs: { IN: input } });
    assert.deepEqual(answer, {
      modelName: 'm',
      modelVersion: '1',
      id: 'a',
      outputs: { IN: input },
    });
    assert.deepEqual(await server.models(), [{ name: 'm', version: 1, state: 'READY' }]);
    await server.unload('m');
    assert.equal((await server.models())[0]?.state === 'READY', false);
  });

  it('fails to start, and ends, when a model of loadModels fails', async () => {
    using repository = new TempRepository();
    const engine = new FakeEngine();
    await assert.rejects(
      NereidServer.create(
        { modelRepository: repository.path, loadModels: ['x'] },
        fakeBinding(engine),
      ),
      { name: 'ServeError', code: 'Internal' },
    );
    assert.equal(engine.events.at(-1), 'close');
  });

  it('opens ports on loopback and says which', async () => {
    using repository = new TempRepository();
    const { server } = await open({ modelRepository: repository.path });
    await using _ = server;
    const { http, grpc } = await server.listen({ http: {}, grpc: { port: 9001 } });
    assert.equal(http.host, '127.0.0.1');
    assert.notEqual(http.port, 0);
    assert.equal(grpc.port, 9001);
  });

  it('takes a request back when its signal fires', async () => {
    using repository = new TempRepository();
    const { server, engine } = await open({ modelRepository: repository.path });
    await using _ = server;
    engine.inferGate = new Gate();
    const controller = new AbortController();
    const call = server.infer('m', { inputs: { IN: input }, signal: controller.signal });
    controller.abort();
    await assert.rejects(call, { code: 'Cancelled' });
    assert.deepEqual(engine.cancelled, [1]);
    engine.inferGate.open();
    await assert.rejects(server.infer('m', { inputs: {}, signal: AbortSignal.abort() }), {
      code: 'Cancelled',
    });
  });

  it('rejects with the status of the engine', async () => {
    using repository = new TempRepository();
    const { server, engine } = await open({ modelRepository: repository.path });
    await using _ = server;
    engine.infer = () => Promise.reject(addonError(8, 'Exceeds maximum queue size'));
    await assert.rejects(server.infer('m', { inputs: { IN: input } }), {
      name: 'ServeError',
      code: 'ResourceExhausted',
      message: 'Exceeds maximum queue size',
    });
  });

  it('refuses every call after close', async () => {
    using repository = new TempRepository();
    const { server } = await open({ modelRepository: repository.path });
    assert.equal(await server.close(), true);
    await assert.rejects(server.load('m'), {
      code: 'Unavailable',
      message: 'the server is closed',
    });
    await assert.rejects(server.infer('m', { inputs: {} }), { code: 'Unavailable' });
    await assert.rejects(server.listen({ http: {} }), { code: 'Unavailable' });
  });
});

describe('the options of a library', () => {
  it('load what requests name in mode on-demand, with the inputs as they were at the call', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    const { server } = await open({
      modelRepository: repository.path,
      modelControlMode: 'on-demand',
    });
    await using _ = server;
    const data = new Int32Array([1, 2]);
    const answer = server.infer('m', { inputs: { IN: { ...input, data } } });
    data.fill(0);
    assert.deepEqual((await answer).outputs, { IN: input });
    assert.deepEqual(await server.models(), [{ name: 'm', version: 1, state: 'READY' }]);
    await assert.rejects(server.infer('none', { inputs: { IN: input } }), { code: 'NotFound' });
  });

  it('follow the repository in mode poll', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('first');
    const { server } = await open({
      modelRepository: repository.path,
      modelControlMode: 'poll',
      repositoryPollSecs: 1,
    });
    await using _ = server;
    const ready = async () => {
      const rows = await server.models();
      return rows.filter(({ state }) => state === 'READY').map(({ name }) => name);
    };
    assert.deepEqual(await ready(), ['first']);
    await repository.addIdentity('second');
    await until(async () => (await ready()).length === 2);
  });

  it('serve what can be served without exitOnError', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('well');
    await repository.write('broken/config.pbtxt', 'nonsense');
    const options = { modelRepository: repository.path, loadModels: '*' } as const;
    await assert.rejects(open(options), /broken/);
    const { server } = await open({ ...options, exitOnError: false });
    await using _ = server;
    assert.equal((await server.models()).filter(({ state }) => state === 'READY').length, 1);
  });

  it('come to the same as the flags do', () => {
    const folder = { modelRepository: ['/a', '/b'] };
    const flags: Required<FlagOptions> = {
      modelControlMode: 'on-demand',
      repositoryPollSecs: 7,
      onDemandMemoryMb: 64,
      onDemandQueueSize: 5,
      modelLoadThreadCount: 2,
      modelLoadRetryCount: 3,
      modelConfigName: 'small',
      modelNamespacing: true,
      disableAutoCompleteConfig: true,
      allowOverrideCode: true,
      exitOnError: false,
      strictReadiness: false,
      readinessPolicy: 'listed:x,y',
      maxQueueSize: 9,
      maxQueueBytes: 4096,
      admission: 'predicted-wait',
      queueFullStatus: 'unavailable',
      cacheConfig: 'local,size=1048576',
      rateLimit: 'execution_count',
      rateLimitResource: ['R:4', 'S:1:0'],
      backendConfig: ['onnxruntime,default-max-batch-size=2'],
    };
    const words = Object.entries(flags).flatMap(([name, value]) => {
      const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
      if (flag === '--disable-auto-complete-config') return [flag];
      return [value].flat().map((one) => `${flag}=${one}`);
    });
    const byFlags = readLibraryOptions({ ...folder, flags: words });
    assert.deepEqual(readLibraryOptions({ ...folder, ...flags }), byFlags);
    const { options } = byFlags;
    assert.equal(options.onDemandMemoryMb, 64);
    assert.equal(options.autoCompleteConfig, false);
    assert.deepEqual(options.readinessPolicy, { kind: 'listed', names: ['x', 'y'] });
    assert.equal(options.rateLimitResources.length, 2);
    assert.deepEqual(
      readLibraryOptions({ ...folder, loadModels: ['m'], modelControlMode: 'on-demand' }).options
        .loadModels,
      ['m'],
    );
  });

  const refused: readonly (readonly [Partial<CreateServerOptions>, RegExp])[] = [
    [{ modelRepository: [] }, /modelRepository: expected a folder/],
    [{ modelControlMode: 'poll', loadModels: ['m'] }, /loadModels: mode 'poll' loads every model/],
    [{ modelControlMode: 'none', allowModelControl: true }, /contradicts modelControlMode 'none'/],
    [{ readinessPolicy: 'some' }, /Bad option: "--readiness-policy".*Got some/],
    [{ maxQueueBytes: Number.NaN }, /Bad option: "--max-queue-bytes"/],
    [{ rateLimitResource: ['R'] }, /--rate-limit-resource option format is/],
    [{ flags: ['--no-such-flag'] }, /unrecognized option '--no-such-flag'/],
    [{ flags: ['--help'] }, /'--help' is of the command line/],
  ];
  for (const [options, sentence] of refused) {
    it(`refuse ${JSON.stringify(options)}`, () => {
      assert.throws(() => readLibraryOptions({ modelRepository: '/a', ...options }), {
        name: 'ServeError',
        code: 'InvalidArgument',
        message: sentence,
      });
    });
  }
});

describe('tensors', () => {
  it('come back as they went, in every type', () => {
    const table: [DataType, InputTensor['data']][] = [
      ['BOOL', new Uint8Array([0, 1])],
      ['UINT8', new Uint8Array([0, 255])],
      ['UINT16', new Uint16Array([0, 65_535])],
      ['UINT32', new Uint32Array([0, 4_294_967_295])],
      ['UINT64', new BigUint64Array([0n, 2n ** 64n - 1n])],
      ['INT8', new Int8Array([-128, 127])],
      ['INT16', new Int16Array([-32_768, 32_767])],
      ['INT32', new Int32Array([-(2 ** 31), 2 ** 31 - 1])],
      ['INT64', new BigInt64Array([-(2n ** 63n), 2n ** 63n - 1n])],
      ['FP16', new Uint16Array([0x3c00, 0x7e00])],
      ['FP32', new Float32Array([Number.NaN, -0])],
      ['FP64', new Float64Array([Number.NEGATIVE_INFINITY, 0.1])],
      ['BF16', new Uint16Array([0x3f80, 0x7fc0])],
      ['BYTES', [new Uint8Array([]), new Uint8Array([0, 255, 10])]],
    ];
    for (const [datatype, data] of table) {
      const tensor = { datatype, shape: [2], data } as InputTensor;
      const encoded = encodeTensor('x', tensor);
      assert.deepEqual(decodeTensor(encoded), tensor, datatype);
      // The same bytes where they do not lie aligned.
      const odd = new Uint8Array(encoded.data.length + 1).subarray(1);
      odd.set(encoded.data);
      assert.deepEqual(decodeTensor({ ...encoded, data: odd }), tensor, datatype);
    }
  });

  it('take a view into a larger buffer for what it shows', () => {
    const data = new Float32Array([1, 2, 3, 4]).subarray(1, 3);
    const encoded = encodeTensor('x', { datatype: 'FP32', shape: [2], data });
    assert.deepEqual(decodeTensor(encoded).data, new Float32Array([2, 3]));
  });

  it('take text for BYTES', () => {
    const encoded = encodeTensor('x', { datatype: 'BYTES', shape: [2], data: ['é', ''] });
    assert.deepEqual([...encoded.data], [2, 0, 0, 0, 0xc3, 0xa9, 0, 0, 0, 0]);
  });

  it('are refused when data and shape or type do not agree', () => {
    const refuse = (tensor: object, message: string | RegExp): void => {
      assert.throws(() => encodeTensor('x', tensor as InputTensor), {
        code: 'InvalidArgument',
        message,
      });
    };
    refuse(
      { datatype: 'INT32', shape: [3], data: new Int32Array(2) },
      "input 'x': expected 3 elements for shape [3], got 2",
    );
    refuse(
      { datatype: 'INT64', shape: [2], data: new Int32Array(2) },
      "input 'x': expected a BigInt64Array for INT64, got Int32Array",
    );
    refuse(
      { datatype: 'FP32', shape: [2], data: [1, 2] },
      /expected a Float32Array for FP32, got Array/,
    );
    refuse({ datatype: 'FP32', shape: [-1], data: new Float32Array(1) }, /dimensions of 0 or more/);
    refuse({ datatype: 'BYTES', shape: [1], data: [1] }, /expected strings or Uint8Arrays/);
    refuse({ datatype: 'FP8', shape: [1], data: new Uint8Array(1) }, /known datatype/);
  });
});
