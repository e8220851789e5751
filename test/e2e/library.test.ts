// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { createServer, type InputTensor } from '../../src/index.ts';
import { projectRoot } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';

const modelRepository = `${projectRoot}model_repository`;
const ints = (...values: number[]): InputTensor => ({
  shape: [1, values.length],
  datatype: 'INT32',
  data: Int32Array.from(values),
});

describe('createServer', () => {
  it('runs models in this process', async () => {
    await using server = await createServer({ modelRepository });
    await server.load('simple');
    const sixteen = ints(...Array.from({ length: 16 }, (_, i) => i));
    const answer = await server.infer('simple', {
      id: 'one',
      inputs: { INPUT0: sixteen, INPUT1: sixteen },
      outputs: ['OUTPUT0'],
    });
    assert.equal(answer.modelName, 'simple');
    assert.equal(answer.modelVersion, '1');
    assert.equal(answer.id, 'one');
    assert.deepEqual(Object.keys(answer.outputs), ['OUTPUT0']);
    assert.deepEqual(
      [...(answer.outputs.OUTPUT0?.data ?? [])],
      Array.from({ length: 16 }, (_, i) => 2 * i),
    );
  });

  it('carries text both ways', async () => {
    await using server = await createServer({ modelRepository, loadModels: ['simple_identity'] });
    const { outputs } = await server.infer('simple_identity', {
      inputs: {
        INPUT0: { shape: [1, 2], datatype: 'BYTES', data: ['é', new Uint8Array([0, 255])] },
      },
    });
    assert.deepEqual(
      outputs.OUTPUT0?.data,
      [Buffer.from('é'), Buffer.from([0, 255])].map((one) => new Uint8Array(one)),
    );
  });

  it('rejects as the network does', async () => {
    await using server = await createServer({ modelRepository, loadModels: ['simple'] });
    await assert.rejects(server.infer('nobody', { inputs: {} }), {
      name: 'ServeError',
      code: 'NotFound',
      message: "Request for unknown model: 'nobody' is not found",
    });
    await assert.rejects(server.infer('simple', { inputs: { INPUT0: ints(1) } }), {
      code: 'InvalidArgument',
    });
    await assert.rejects(server.load('nobody'), {
      code: 'Internal',
      message: /^failed to load 'nobody'/,
    });
  });

  it('serves the network too, and stops', async () => {
    const server = await createServer({ modelRepository, loadModels: ['simple'] });
    const { http } = await server.listen({ http: {} });
    const url = `http://${http.host}:${http.port}/v2/models/simple/ready`;
    assert.equal((await fetch(url)).status, 200);
    assert.equal(await server.close(), true);
    await assert.rejects(fetch(url));
  });

  it('loads what is asked for in mode on-demand, within its memory budget', async () => {
    const options = { modelRepository, modelControlMode: 'on-demand' } as const;
    await using server = await createServer({ ...options, onDemandMemoryMb: 4096 });
    const sixteen = ints(...Array.from({ length: 16 }, (_, i) => i));
    const inputs = { INPUT0: sixteen, INPUT1: sixteen };
    const { outputs } = await server.infer('simple', { inputs });
    assert.equal(outputs.OUTPUT0?.data[15], 30);
    const { http } = await server.listen({ http: {} });
    const text = { name: 'INPUT0', shape: [1, 1], datatype: 'BYTES', data: ['é'] };
    const answer = await fetch(`http://${http.host}:${http.port}/v2/models/simple_identity/infer`, {
      method: 'POST',
      body: JSON.stringify({ inputs: [text] }),
    });
    assert.equal(answer.status, 200, await answer.text());
    using repository = new TempRepository();
    await repository.addIdentity('large');
    await repository.write('large/1/weights', 'w'.repeat(2 << 20));
    await using small = await createServer({
      modelRepository: repository.path,
      modelControlMode: 'on-demand',
      onDemandMemoryMb: 1,
    });
    await assert.rejects(small.infer('large', { inputs: { IN: ints(1) } }), {
      code: 'Unavailable',
      message: /model 'large' needs .*--on-demand-memory-mb=1 has no room for/,
    });
  });

  it('leaves the event loop free while models run flat out', { timeout: 60_000 }, async () => {
    await using server = await createServer({ modelRepository, loadModels: ['digits'] });
    const image: InputTensor = {
      shape: [1, 1, 8, 8],
      datatype: 'FP32',
      data: new Float32Array(64),
    };
    let isDone = false;
    let answered = 0;
    // Did `infer` run the model on this thread, its promises would settle without a turn of the loop between them and
    // the turns below would never come.
    const client = async (): Promise<void> => {
      while (!isDone) {
        await server.infer('digits', { inputs: { image } });
        answered += 1;
      }
    };
    const clients = Array.from({ length: 8 }, client);
    for (let turns = 0; turns < 1000; turns++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    isDone = true;
    await Promise.all(clients);
    assert.ok(answered >= clients.length);
  });

  it('lets a program end that has not closed it', async () => {
    const program = `
      import { createServer } from ${JSON.stringify(`${projectRoot}src/index.ts`)};
      const server = await createServer({ modelRepository: ${JSON.stringify(modelRepository)}, loadModels: ['simple_identity'] });
      console.log((await server.models()).length > 0);
    `;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '--eval', program],
      { timeout: 60_000 },
    );
    assert.equal(stdout, 'true\n');
  });
});
