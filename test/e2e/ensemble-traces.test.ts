// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { askHttp } from '../support/http-client.ts';
import { projectRoot, startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { until } from '../support/until.ts';

const python = process.env['NEREID_TEST_PYTHON'] ?? 'python3';

/** One trace of a request, in the order of the file; `below` is the place of its parent among them. */
interface Shape {
  readonly keys: readonly string[];
  readonly model: string;
  readonly below: number | null;
  /** each name once */
  readonly timestamps: readonly string[];
  readonly tensors: readonly string[];
}

// What Triton 2.51 wrote for these models and requests, by request id.
const recorded: Record<string, Shape[]> = JSON.parse(
  readFileSync(join(projectRoot, 'test/fixtures/traces/ensembles.json'), 'utf8'),
);

interface Entry {
  readonly id: number;
  readonly model_name?: string;
  readonly parent_id?: number;
  readonly request_id?: string;
  readonly timestamps?: readonly { readonly name: string; readonly ns: number }[];
  readonly activity?: string;
  readonly tensor?: { readonly name: string; readonly data: string; readonly shape: string };
}

function shapesOf(entries: readonly Entry[], request: string): Shape[] {
  const heads = entries.filter(({ request_id }) => request_id === request);
  const ids = heads.map(({ id }) => id);
  return heads.map((head) => {
    const own = entries.filter(({ id }) => id === head.id);
    const names = own.flatMap(({ timestamps }) => timestamps ?? []).map(({ name }) => name);
    return {
      keys: Object.keys(head),
      model: head.model_name ?? '',
      below: head.parent_id === undefined ? null : ids.indexOf(head.parent_id),
      timestamps: [...new Set(names)].sort(),
      tensors: own.flatMap(({ activity, tensor }) =>
        tensor === undefined ? [] : [`${activity} ${tensor.name} ${tensor.data} ${tensor.shape}`],
      ),
    };
  });
}

const GRPC = `
import sys, queue, numpy as np, tritonclient.grpc as grpc
with grpc.InferenceServerClient(sys.argv[1]) as client:
    tensor = grpc.InferInput("IN", [1, 1], "INT32")
    tensor.set_data_from_numpy(np.array([[9]], dtype=np.int32))
    client.infer("two", [tensor], request_id="g-two")
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    client.async_stream_infer("many", [tensor], request_id="g-many", enable_empty_final_response=True)
    while True:
        result, error = answers.get(timeout=60)
        assert error is None, error
        if result.get_response().parameters["triton_final_response"].bool_param:
            break
    client.stop_stream()
`;

describe('traces of ensembles', () => {
  const repository = new TempRepository();
  let folder = '';

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'nereid-ensemble-traces-'));
    const decoupled = 'model_transaction_policy { decoupled: true }';
    const parameter = (key: string, value: string) =>
      `parameters { key: "${key}" value { string_value: "${value}" } }`;
    await repository.addIdentity('m');
    await repository.add('three', 'stream', [1], `${decoupled} ${parameter('responses', '3')}`);
    await repository.add('bad', 'poison', [1], parameter('message', 'poisoned'));
    await repository.addChain('two', ['m', 'm']);
    await repository.addChain('nested', ['two', 'm', 'two']);
    await repository.addChain('many', ['m', 'three', 'm'], { config: decoupled });
    await repository.addChain('failing', ['m', 'bad', 'm']);
  });
  after(() => {
    repository[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const start = (...trace: string[]) =>
    startNereid({
      args: [
        `--model-repository=${repository.path}`,
        '--enable-test-backends',
        ...trace.map((setting) => `--trace-config=${setting}`),
        '--trace-config=rate=1',
        '--trace-config=level=TIMESTAMPS',
      ],
    });
  const infer = async (http: string, model: string): Promise<void> => {
    const inputs = [{ name: 'IN', datatype: 'INT32', shape: [1, 1], data: [7] }];
    const body = JSON.stringify({ id: `h-${model}`, inputs });
    await askHttp(http, 'POST', `/v2/models/${model}/infer`, { body });
  };

  it('have a record for each step, as Triton writes them', async () => {
    const file = join(folder, 'triton.json');
    const server = await start(`triton,file=${file}`, 'level=TENSORS');
    const { http, grpc } = server.endpoints;
    for (const model of ['two', 'nested', 'failing']) await infer(http, model);
    await promisify(execFile)(python, ['-c', GRPC, grpc]);
    await server.stop();
    const entries: Entry[] = JSON.parse(readFileSync(file, 'utf8'));
    for (const [request, expected] of Object.entries(recorded)) {
      assert.deepEqual(shapesOf(entries, request), expected, request);
    }
    // Times of a step lie within those of its ensemble.
    const timesOf = (id: number): number[] =>
      entries
        .filter((entry) => entry.id === id)
        .flatMap(({ timestamps }) => timestamps ?? [])
        .map(({ ns }) => ns);
    for (const { id, parent_id } of entries) {
      if (parent_id === undefined) continue;
      assert.ok(Math.min(...timesOf(id)) >= Math.min(...timesOf(parent_id)));
      assert.ok(Math.max(...timesOf(id)) <= Math.max(...timesOf(parent_id)));
    }
  });

  it('nest the spans of steps', async () => {
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
    const server = await start(
      'mode=opentelemetry',
      `opentelemetry,url=http://127.0.0.1:${port}/v1/traces`,
      'opentelemetry,bsp_schedule_delay=10',
    );
    interface Span {
      readonly name: string;
      readonly spanId: string;
      readonly parentSpanId?: string;
    }
    interface Export {
      readonly resourceSpans: { readonly scopeSpans: { readonly spans: Span[] }[] }[];
    }
    const spans = (): Span[] =>
      bodies
        .flatMap((body) => (JSON.parse(body) as Export).resourceSpans)
        .flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans));
    try {
      await infer(server.endpoints.http, 'nested');
      await until(() => spans().length >= 14);
      const pathOf = ({ name, parentSpanId }: Span): string => {
        const above = spans().find(({ spanId }) => spanId === parentSpanId);
        return above === undefined ? name : `${pathOf(above)}/${name}`;
      };
      const nested = 'InferRequest/nested';
      const two = [`${nested}/two`, ...Array(2).fill(`${nested}/two/m`)];
      assert.deepEqual(
        spans().map(pathOf).sort(),
        [
          'InferRequest',
          nested,
          `${nested}/m`,
          `${nested}/m/compute`,
          ...two,
          ...two,
          ...Array(4).fill(`${nested}/two/m/compute`),
        ].sort(),
      );
    } finally {
      await server.stop();
      collector.closeAllConnections();
      collector.close();
    }
  });
});
