// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { projectRoot, startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { until } from '../support/until.ts';

const python = process.env['NEREID_TEST_PYTHON'] ?? 'python3';

interface Entry {
  id: number;
  model_name?: string;
  model_version?: number;
  request_id?: string;
  timestamps?: { name: string; ns: number }[];
  activity?: string;
  tensor?: { name: string; data: string; shape: string; dtype: string };
}

const infer = async (
  http: string,
  value: number,
  more: { id?: string; headers?: Record<string, string>; model?: string } = {},
): Promise<Response> =>
  fetch(`http://${http}/v2/models/${more.model ?? 'm'}/infer`, {
    method: 'POST',
    headers: more.headers ?? {},
    body: JSON.stringify({
      ...(more.id === undefined ? {} : { id: more.id }),
      inputs: [{ name: 'IN', datatype: 'INT32', shape: [1, 1], data: [value] }],
    }),
  });

const GRPC_INFER = `
import sys, numpy as np, tritonclient.grpc as grpc
with grpc.InferenceServerClient(sys.argv[1]) as client:
    tensor = grpc.InferInput("IN", [1, 1], "INT32")
    tensor.set_data_from_numpy(np.array([[9]], dtype=np.int32))
    print(client.infer("m", [tensor], request_id="g").as_numpy("OUT").tolist())
    if len(sys.argv) > 2:
        print(client.update_trace_settings("m", {"trace_rate": "4"}, as_json=True)["settings"]["trace_rate"])
        print(client.get_trace_settings(as_json=True)["settings"]["trace_rate"])
        print(client.update_log_settings({"log_verbose_level": 2}, as_json=True)["settings"]["log_verbose_level"])
`;

describe('traces and logs of a server', () => {
  const repository = new TempRepository();
  let folder = '';

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'nereid-traces-'));
    await repository.addIdentity('m');
    await repository.addIdentity('other');
  });
  after(() => {
    repository[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const grpcInfer = async (...args: string[]): Promise<string[]> =>
    (await promisify(execFile)(python, ['-c', GRPC_INFER, ...args])).stdout.trim().split('\n');

  it("writes files in Triton's form, for HTTP and gRPC", async () => {
    const file = join(folder, 'triton.json');
    const server = await startNereid({
      args: [
        `--model-repository=${repository.path}`,
        `--trace-config=triton,file=${file}`,
        '--trace-config=rate=1',
        '--trace-config=level=TIMESTAMPS',
        '--trace-config=level=TENSORS',
      ],
    });
    const { http, grpc } = server.endpoints;
    try {
      await infer(http, 7, { id: 'h' });
      assert.deepEqual(await grpcInfer(grpc), ['[[9]]']);
      const post = async (body: object) =>
        (
          await fetch(`http://${http}/v2/trace/setting`, {
            method: 'POST',
            body: JSON.stringify(body),
          })
        ).status;
      const entries = (): Entry[] => {
        try {
          return JSON.parse(readFileSync(file, 'utf8')) as Entry[];
        } catch {
          return [];
        }
      };
      const heads = () => entries().filter((entry) => entry.model_name !== undefined);
      await until(() => heads().length === 2);
      assert.deepEqual(
        heads().map(({ model_name, model_version, request_id }) => [
          model_name,
          model_version,
          request_id,
        ]),
        [
          ['m', 1, 'h'],
          ['m', 1, 'g'],
        ],
      );
      const namesOf = (id: number | undefined) =>
        entries()
          .filter((entry) => entry.id === id)
          .flatMap(({ timestamps }) => timestamps ?? [])
          .sort((a, b) => a.ns - b.ns)
          .map(({ name }) => name);
      const common = [
        'QUEUE_START',
        'COMPUTE_START',
        'COMPUTE_INPUT_END',
        'COMPUTE_OUTPUT_START',
        'COMPUTE_END',
        'REQUEST_END',
        'INFER_RESPONSE_COMPLETE',
        'REQUEST_START',
      ];
      const [first, second] = heads().map(({ id }) => id);
      assert.deepEqual(
        new Set(namesOf(first)),
        new Set([
          ...common,
          'HTTP_RECV_START',
          'HTTP_RECV_END',
          'HTTP_SEND_START',
          'HTTP_SEND_END',
        ]),
      );
      assert.equal(namesOf(first)[0], 'HTTP_RECV_START');
      assert.equal(namesOf(first).at(-1), 'HTTP_SEND_END');
      assert.deepEqual(
        new Set(namesOf(second)),
        new Set([
          ...common,
          'GRPC_WAITREAD_START',
          'GRPC_WAITREAD_END',
          'GRPC_SEND_START',
          'GRPC_SEND_END',
        ]),
      );
      assert.deepEqual(
        entries()
          .filter(({ id, tensor }) => id === first && tensor !== undefined)
          .map(({ activity, tensor }) => [activity, tensor]),
        [
          ['TENSOR_QUEUE_INPUT', { name: 'IN', data: '7', shape: '1,1', dtype: 'INT32' }],
          ['TENSOR_BACKEND_OUTPUT', { name: 'OUT', data: '7', shape: '1,1', dtype: 'INT32' }],
        ],
      );
      // Off for one model, then numbered files, then a count that ends.
      assert.equal(await post({ log_frequency: '2', trace_count: '3' }), 200);
      const off = await fetch(`http://${http}/v2/models/other/trace/setting`, {
        method: 'POST',
        body: '{"trace_level":["OFF"]}',
      });
      assert.equal(off.status, 200);
      for (let i = 0; i < 5; i++) await infer(http, i);
      await infer(http, 1, { model: 'other' });
      const setting = async () =>
        (await (await fetch(`http://${http}/v2/trace/setting`)).json()) as { trace_count: string };
      await until(async () => (await setting()).trace_count === '0');
      assert.equal(await post({ trace_level: ['OFF'] }), 200);
      const traced = [0, 1].map(
        (i) =>
          (JSON.parse(readFileSync(`${file}.${i}`, 'utf8')) as Entry[]).filter(
            (entry) => entry.model_name === 'm',
          ).length,
      );
      assert.deepEqual(traced, [2, 1]);
    } finally {
      await server.stop();
    }
  });

  it("takes the settings calls of Triton's gRPC client", async () => {
    const server = await startNereid({
      args: [
        `--model-repository=${repository.path}`,
        `--trace-config=triton,file=${join(folder, 'x')}`,
      ],
    });
    try {
      assert.deepEqual(await grpcInfer(server.endpoints.grpc, 'settings'), [
        '[[9]]',
        "{'value': ['4']}",
        "{'value': ['1000']}",
        "{'uint32_param': 2}",
      ]);
    } finally {
      await server.stop();
    }
  });

  it("sends spans below the client's own to a collector", async () => {
    const bodies: string[] = [];
    const collector = createServer((request, response) => {
      let body = '';
      request.on('data', (text: Buffer) => {
        body += text.toString();
      });
      request.on('end', () => {
        bodies.push(body);
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      });
    });
    await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
    const { port } = collector.address() as AddressInfo;
    const server = await startNereid({
      args: [
        `--model-repository=${repository.path}`,
        '--trace-config=mode=opentelemetry',
        `--trace-config=opentelemetry,url=http://127.0.0.1:${port}/v1/traces`,
        '--trace-config=opentelemetry,resource=service.name=checkout',
        '--trace-config=opentelemetry,bsp_schedule_delay=10',
        '--trace-config=level=TIMESTAMPS',
        '--trace-config=rate=1000000',
      ],
    });
    try {
      const trace = '0af7651916cd43dd8448eb211c80319c';
      await infer(server.endpoints.http, 1);
      await infer(server.endpoints.http, 2, {
        id: 'traced',
        headers: { traceparent: `00-${trace}-b7ad6b7169203331-01` },
      });
      await until(() => bodies.length > 0);
      const text = bodies.join('');
      assert.ok(text.includes(trace) && text.includes('b7ad6b7169203331'));
      assert.ok(text.includes('checkout') && text.includes('"traced"'));
      assert.equal(text.split('"InferRequest"').length, 2);
    } finally {
      await server.stop();
      collector.closeAllConnections();
      collector.close();
    }
  });

  it('writes an access log of JSON lines and says Server-Timing', async () => {
    const log = join(folder, 'access.log');
    const server = await startNereid({
      executable: 'nereid',
      args: [`--model-repository=${repository.path}`, `--access-log=${log}`, '--server-timing'],
    });
    try {
      const { http, grpc } = server.endpoints;
      const answer = await infer(http, 7, { id: 'h' });
      assert.match(
        answer.headers.get('server-timing') ?? '',
        /^queue;dur=[\d.]+, compute;dur=[\d.]+, total;dur=[\d.]+$/,
      );
      await fetch(`http://${http}/v2/models/nosuch/infer`, { method: 'POST', body: '{}' });
      await fetch(`http://${http}/v2/nosuch`);
      await grpcInfer(grpc);
      type Line = Record<string, unknown>;
      const lines = (): Line[] =>
        readFileSync(log, 'utf8')
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => JSON.parse(line) as Line);
      await until(() => lines().some(({ protocol }) => protocol === 'grpc'));
      const shown = lines().map(({ protocol, method, path, status, model, id }) => [
        protocol,
        method,
        path,
        status,
        model,
        id,
      ]);
      assert.deepEqual(shown, [
        ['http', 'POST', '/v2/models/m/infer', 200, 'm', 'h'],
        ['http', 'POST', '/v2/models/nosuch/infer', 404, undefined, undefined],
        ['http', 'GET', '/v2/nosuch', 404, undefined, undefined],
        ['grpc', 'POST', '/inference.GRPCInferenceService/ModelInfer', 0, 'm', 'g'],
      ]);
      assert.equal(typeof lines()[0]?.['compute_us'], 'number');
    } finally {
      await server.stop();
    }
  });

  it('appends log lines to a file and says so when it cannot', async () => {
    const run = (...args: string[]) => {
      const child = spawn(
        process.execPath,
        [
          `${projectRoot}bin/tritonserver`,
          `--model-repository=${repository.path}`,
          '--http-address=127.0.0.1',
          ...['http', 'grpc', 'metrics'].map((service) => `--${service}-port=0`),
          ...args,
        ],
        { stdio: ['ignore', 'ignore', 'pipe'] },
      );
      let stderr = '';
      child.stderr.on('data', (text: Buffer) => {
        stderr += text.toString();
      });
      const ended = once(child, 'close').then(() => ({ code: child.exitCode, stderr }));
      return { child, ended };
    };
    const log = join(folder, 'server.log');
    const lines = () => (existsSync(log) ? readFileSync(log, 'utf8') : '');
    const { child, ended } = run(`--log-file=${log}`);
    await until(() => lines().includes('Started Metrics Service'));
    child.kill('SIGTERM');
    assert.deepEqual(await ended, { code: 0, stderr: '' });
    assert.match(lines(), /Signal \(15\) received/);

    for (const [flag, words] of [
      [`--log-file=${folder}/no/such/file`, /cannot open the log file/],
      ['--trace-config=level=TIMESTAMPS', /--trace-config=triton,file=PATH/],
      [`--access-log=${folder}/no/such/file`, /cannot open the access log/],
    ] as const) {
      const failed = await run(flag).ended;
      assert.equal(failed.code, 1, flag);
      assert.match(failed.stderr, words);
    }
  });
});
