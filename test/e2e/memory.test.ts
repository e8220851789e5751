// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { MemoryReport } from '../../src/control/memory.ts';
import { askHttp } from '../support/http-client.ts';
import { HttpInferClient } from '../support/infer-clients.ts';
import { projectRoot, startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { testDoor } from '../support/test-door.ts';
import { until } from '../support/until.ts';

const MIB = 1024 * 1024;

/** Models of raw bytes; each executes once it is told to. */
async function start() {
  const repository = new TempRepository();
  await repository.addGate('held', 'instance_group [{ count: 1 }]');
  await repository.addIdentity('m');
  const server = await startNereid({
    executable: 'nereid',
    args: [
      `--model-repository=${repository.path}`,
      '--enable-test-backends',
      '--model-control-mode=explicit',
      '--load-model=*',
      '--io-threads=2',
      '--memory-limit=1073741824',
      '--max-queue-bytes=0',
    ],
  });
  const { http } = server.endpoints;
  const post = async (path: string, body: string): Promise<void> => {
    const { status, body: text } = await askHttp(http, 'POST', path, { body });
    assert.equal(status, 200, text);
  };
  return {
    http,
    memory: async (): Promise<MemoryReport> => {
      const { status, body } = await askHttp(http, 'GET', '/v2/memory');
      assert.equal(status, 200);
      return JSON.parse(body) as MemoryReport;
    },
    tell: (control: object) => testDoor(server.endpoints, 'held', control),
    load: (model: string) => post(`/v2/repository/models/${model}/load`, '{}'),
    unload: (model: string) => post(`/v2/repository/models/${model}/unload`, '{}'),
    async infer(model: string, bytes: number): Promise<void> {
      const elements = bytes / 4;
      const json = JSON.stringify({
        inputs: [
          {
            name: 'IN',
            datatype: 'INT32',
            shape: [1, elements],
            parameters: { binary_data_size: bytes },
          },
        ],
        parameters: { binary_data_output: true },
      });
      const response = await fetch(`http://${http}/v2/models/${model}/infer`, {
        method: 'POST',
        headers: { 'inference-header-content-length': String(json.length) },
        body: Buffer.concat([Buffer.from(json), Buffer.alloc(bytes, 7)]),
      });
      const answer = await response.arrayBuffer();
      assert.equal(response.status, 200);
      assert.ok(answer.byteLength > bytes);
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await server.stop();
      repository[Symbol.dispose]();
    },
  };
}

describe('GET /v2/memory', () => {
  it('says who holds what, to the byte', async () => {
    await using server = await start();
    const before = await server.memory();
    assert.equal(before.limit_bytes, 1_073_741_824);
    assert.equal(before.used_bytes, 0);
    assert.deepEqual(
      before.models.map(({ name, version }) => [name, version]),
      [
        ['held', '1'],
        ['m', '1'],
      ],
    );
    assert.ok(before.process.rss_bytes > MIB && before.allocator.used_bytes > MIB);
    const held = [1, 2, 3].map(() => server.infer('held', MIB));
    await server.tell({ action: 'await', waiting: 1 });
    let during = before;
    await until(async () => {
      during = await server.memory();
      return during.kinds.requests_bytes >= 3 * MIB;
    });
    // Three bodies with their heads; the call that asks holds nothing.
    assert.ok(during.kinds.requests_bytes < 3 * MIB + 4096, String(during.kinds.requests_bytes));
    assert.equal(
      during.used_bytes,
      during.kinds.requests_bytes + during.kinds.tensors_bytes + during.kinds.other_bytes,
    );
    await server.tell({ action: 'open' });
    await Promise.all(held);
    let after = during;
    await until(async () => {
      after = await server.memory();
      return after.used_bytes === 0;
    });
    assert.ok(after.peak_bytes >= 3 * MIB);
    assert.deepEqual(after.kinds, { requests_bytes: 0, tensors_bytes: 0, other_bytes: 0 });
  });

  it('is the same at the same point of every cycle of load, infer and unload', async () => {
    await using server = await start();
    for (let cycle = 0; cycle < 20; cycle++) {
      await server.load('m');
      await Promise.all([1, 4096, MIB].map((size) => server.infer('m', 4 * size)));
      await server.unload('m');
      await until(async () => {
        const { used_bytes, models } = await server.memory();
        return used_bytes === 0 && models.length === 1;
      });
    }
  });

  it('says what ONNX Runtime holds for a model, and nothing of runtimes that do not say', async () => {
    await using server = await startNereid({
      executable: 'nereid',
      args: [
        `--model-repository=${projectRoot}model_repository`,
        '--model-control-mode=explicit',
        '--load-model=digits',
        '--load-model=simple_identity',
      ],
    });
    const { body } = await askHttp(server.endpoints.http, 'GET', '/v2/memory');
    const { models } = JSON.parse(body) as MemoryReport;
    const bytes = new Map(models.map(({ name, runtime_bytes }) => [name, runtime_bytes]));
    // Its weights are nearly all of its file.
    const file = statSync(`${projectRoot}model_repository/digits/1/model.onnx`).size;
    assert.ok((bytes.get('digits') ?? 0) > 0.9 * file, String(bytes.get('digits')));
    assert.equal(bytes.get('simple_identity'), undefined);
  });

  it('is off where Triton has nothing', async () => {
    using repository = new TempRepository();
    await using server = await startNereid({ args: [`--model-repository=${repository.path}`] });
    const answer = await askHttp(server.endpoints.http, 'GET', '/v2/memory');
    assert.deepEqual([answer.status, answer.body], [404, '{"error":"Not Found"}']);
  });
});

describe('a request that finds no memory', () => {
  it('fails alone: the server stays ready and serves a thousand behind it', async () => {
    using repository = new TempRepository();
    const factor = 'parameters { key: "factor" value { string_value: "1000" } }';
    await repository.add('wide', 'burst', [1], factor);
    await using server = await startNereid({
      executable: 'nereid',
      args: [
        `--model-repository=${repository.path}`,
        '--enable-test-backends',
        `--memory-limit=${16 * MIB}`,
      ],
    });
    const { http } = server.endpoints;
    await using client = new HttpInferClient(http, 16);
    const infer = (columns: number) =>
      client.infer({ model: 'wide', shape: [1, columns], data: Buffer.alloc(4 * columns) });
    for (let round = 0; round < 3; round++) {
      // 64 KiB, of which the model would make 64 MiB.
      const { status, error } = await infer(16_384);
      assert.equal(status, 503, error);
      assert.match(error, /memory/);
      const answers = await Promise.all(Array.from({ length: 1000 }, () => infer(1)));
      for (const { status, data } of answers) {
        assert.equal(status, 200);
        assert.equal(data.length, 4000);
      }
      for (const path of ['live', 'ready']) {
        assert.equal((await askHttp(http, 'GET', `/v2/health/${path}`)).status, 200);
      }
    }
  });
});

describe('an idle server', () => {
  it('gives back what 64 requests of 8 MiB held', async () => {
    await using server = await start();
    // What is made once is there: code, threads, buffers of JavaScript.
    await server.infer('m', MIB);
    const before = (await server.memory()).process.rss_bytes;
    const held = Array.from({ length: 64 }, () => server.infer('held', 8 * MIB));
    await until(async () => (await server.memory()).kinds.requests_bytes >= 512 * MIB);
    const during = (await server.memory()).process.rss_bytes;
    await server.tell({ action: 'open' });
    await Promise.all(held);
    assert.ok(during >= before + 400 * MIB, `${during} with 512 MiB in flight, ${before} before`);
    // Less than 4 MiB are worth keeping; the rest leaves room for what JavaScript does meanwhile.
    await until(async () => {
      const { idle_bytes, process } = await server.memory();
      return idle_bytes < 4 * MIB && process.rss_bytes < before + 32 * MIB;
    });
  });
});
