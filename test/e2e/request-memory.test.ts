// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { MemoryReport } from '../../src/control/memory.ts';
import { askHttp, inferBody } from '../support/http-client.ts';
import { GrpcInferClient, HttpInferClient } from '../support/infer-clients.ts';
import { startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { until } from '../support/until.ts';

const MIB = 2 ** 20;
/** Of one INT32 to 32 MiB. */
const SIZES = [4, 400, 65_536, MIB, 32 * MIB];
const ROUNDS = 12;

it('holds no byte of any request once all are answered, failed or gone', {
  timeout: 120_000,
}, async () => {
  using repository = new TempRepository();
  await repository.addIdentity('m', [1], 'dynamic_batching { }');
  await repository.addChain('chain', ['m', 'm']);
  await repository.add(
    'three',
    'stream',
    [1],
    `model_transaction_policy { decoupled: true }
     parameters { key: "responses" value { string_value: "3" } }`,
  );
  await repository.add('bad', 'poison', [1], 'dynamic_batching { }');
  await using server = await startNereid({
    executable: 'nereid',
    args: [
      `--model-repository=${repository.path}`,
      '--enable-test-backends',
      `--memory-limit=${2048 * MIB}`,
    ],
  });
  const { http, grpc } = server.endpoints;
  await using overHttp = new HttpInferClient(http, 4);
  await using overGrpc = new GrpcInferClient(grpc);
  const post = async (path: string, body: string | Buffer, headers = {}): Promise<number> => {
    const response = await fetch(`http://${http}/v2/models/${path}`, {
      method: 'POST',
      body,
      headers,
    });
    await response.arrayBuffer();
    return response.status;
  };
  const tell = { body: JSON.stringify({ action: 'always', message: 'it fails' }) };
  assert.equal((await askHttp(http, 'POST', '/v2/test/bad', tell)).status, 200);
  const memory = async (): Promise<MemoryReport> =>
    JSON.parse((await askHttp(http, 'GET', '/v2/memory')).body) as MemoryReport;
  const packed = { 'content-encoding': 'gzip', 'accept-encoding': 'gzip' };

  const round = async (size: number): Promise<void> => {
    const tensor = (bytes: number) =>
      ({ shape: [1, bytes / 4], data: Buffer.alloc(bytes, 5) }) as const;
    const each = [
      [overHttp, tensor(size)],
      // Node's own client has room for so much on one connection.
      [overGrpc, tensor(Math.min(size, MIB))],
    ] as const;
    const leave = new AbortController();
    const left = each.map(([client, rows]) =>
      client.infer({ model: 'm', ...rows }, { signal: leave.signal }).catch(() => undefined),
    );
    setImmediate(() => leave.abort());
    for (const [client, rows] of each) {
      for (const model of ['m', 'chain']) {
        const answer = await client.infer({ model, ...rows });
        assert.equal(answer.error, '');
        assert.ok(answer.data.equals(rows.data));
      }
    }
    const failed = await Promise.all(
      each.map(([client, rows]) => client.infer({ model: 'bad', ...rows })),
    );
    for (const { error } of failed) assert.match(error, /it fails/);
    const good = Buffer.from(inferBody());
    assert.deepEqual(
      await Promise.all([
        post('m/infer', gzipSync(good), packed),
        post('chain/infer', gzipSync(good), packed),
        post('bad/infer', gzipSync(good), packed),
        post('m/infer', gzipSync(good).subarray(0, 30), packed),
        post('m/infer', good.subarray(0, 30)),
        post('nobody/infer', good),
        post('three/generate_stream', '{"IN":7}'),
      ]),
      [200, 200, 500, 400, 400, 404, 200],
    );
    await Promise.all(left);
  };

  for (let i = 0; i < ROUNDS; i++) await round(SIZES[i % SIZES.length] ?? 4);
  let report = await memory();
  assert.ok(report.peak_bytes >= 32 * MIB);
  await until(async () => {
    report = await memory();
    return report.used_bytes === 0;
  });
  assert.deepEqual(report.kinds, { requests_bytes: 0, tensors_bytes: 0, other_bytes: 0 });
  assert.deepEqual(
    report.models.map(({ name, tensors_bytes: bytes }) => [name, bytes]),
    ['bad', 'chain', 'm', 'three'].map((name) => [name, 0]),
  );
});
