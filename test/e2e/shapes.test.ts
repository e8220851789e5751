// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { projectRoot, startNereid } from '../support/nereid.ts';
import { ONNX_FLOAT, OnnxFile } from '../support/onnx-file.ts';
import type { Endpoints, ServerProcess } from '../support/server-process.ts';
import { TempRepository } from '../support/temp-repository.ts';

const python = process.env['NEREID_TEST_PYTHON'] ?? 'python3';
const TOGETHER = 8;
const REQUESTS = 160;

const doubled = new OnnxFile()
  .input('x', ONNX_FLOAT, [-1, -1])
  .node('Add', ['x', 'x'], ['doubled'])
  .output('doubled', ONNX_FLOAT, [-1, -1]);

// Every length shares one bucket, and a batch runs when it has eight rows: the number of executions is known.
const PADDED = `platform: "onnxruntime_onnx"
max_batch_size: ${TOGETHER}
dynamic_batching { preferred_batch_size: [ ${TOGETHER} ] max_queue_delay_microseconds: 5000000 }
instance_group { count: 1 }
input { name: "x" data_type: TYPE_FP32 dims: [ -1 ] }
output { name: "doubled" data_type: TYPE_FP32 dims: [ -1 ] }
parameters { key: "pad_input.x" value { string_value: "buckets=40 max_waste=99 value=7" } }
`;

const tensors = (splitting: string): string => `backend: "identity"
max_batch_size: 8
dynamic_batching { }
instance_group { count: 2 }
input [
  { name: "words" data_type: TYPE_STRING dims: [ 2 ] },
  { name: "scores" data_type: TYPE_FP32 dims: [ 3 ] }
]
output [
  { name: "words_out" data_type: TYPE_STRING dims: [ 2 ] },
  { name: "scores_out" data_type: TYPE_FP32 dims: [ 3 ] }
]
${splitting}`;
const SPLIT = 'parameters { key: "max_request_rows" value { string_value: "200" } }\n';

for (const inferPath of ['native', 'typescript']) {
  describe(`requests of any shape, under --infer-path=${inferPath}`, () => {
    const repository = new TempRepository();
    let server: ServerProcess & { endpoints: Endpoints };

    before(async () => {
      await repository.write('padded/config.pbtxt', PADDED);
      await mkdir(join(repository.path, 'padded/1'));
      await writeFile(join(repository.path, 'padded/1/model.onnx'), doubled.bytes());
      for (const [name, text] of [
        ['split', SPLIT],
        ['whole', ''],
      ] as const) {
        await repository.write(`${name}/config.pbtxt`, tensors(text));
        await mkdir(join(repository.path, name, '1'));
      }
      server = await startNereid({
        args: [
          `--model-repository=${repository.path}`,
          `--infer-path=${inferPath}`,
          '--extended-metrics=true',
          '--allow-client-shm=true',
        ],
      });
    });

    after(async () => {
      await server?.stop();
      repository[Symbol.dispose]();
    });

    const url = (path: string): string => `http://${server.endpoints.http}/v2/models/${path}`;

    const statistics = async (model: string) => {
      const { model_stats } = (await (await fetch(url(`${model}/stats`))).json()) as {
        model_stats: {
          execution_count: number;
          inference_count: number;
          inference_stats: { success: { count: number }; fail: { count: number } };
        }[];
      };
      const [first] = model_stats;
      assert.ok(first);
      return first;
    };

    const clients = (check: string, protocol: 'http' | 'grpc') =>
      promisify(execFile)(python, [
        join(projectRoot, 'test/e2e/shapes.py'),
        check,
        protocol,
        server.endpoints[protocol],
        String(REQUESTS),
      ]);

    for (const protocol of ['http', 'grpc'] as const) {
      it(`fills rows up and cuts them back (tritonclient, ${protocol})`, async () => {
        const before = await statistics('padded');
        await clients('padded', protocol);
        const after = await statistics('padded');
        assert.equal(after.execution_count - before.execution_count, REQUESTS / TOGETHER);
      });

      it(`answers split requests whole, in order and once (tritonclient, ${protocol})`, async () => {
        const before = await statistics('split');
        await clients('split', protocol);
        const after = await statistics('split');
        const succeeded = ({ inference_stats }: typeof before) => inference_stats.success.count;
        assert.equal(succeeded(after) - succeeded(before), 2 * REQUESTS);
        assert.equal(after.inference_stats.fail.count, 0);
      });

      it(`does both with tensors in shared memory (tritonclient, ${protocol})`, async () => {
        const before = await statistics('padded');
        await clients('padded_shared', protocol);
        const after = await statistics('padded');
        assert.equal(after.execution_count - before.execution_count, REQUESTS / TOGETHER);
        await clients('split_shared', protocol);
        assert.equal((await statistics('split')).inference_stats.fail.count, 0);
      });
    }

    it('counts a split request once in histograms', async () => {
      const page = await (await fetch(`http://${server.endpoints.metrics}/metrics`)).text();
      for (const stage of ['request', 'queue', 'compute_infer']) {
        const family = `nereid_inference_${stage}_duration_seconds_count`;
        const count = new RegExp(`^${family}{.*"split".*} (\\d+)$`, 'm').exec(page)?.[1];
        // Each run asks twice, those in shared memory once.
        assert.equal(Number(count), 6 * REQUESTS, stage);
      }
    });

    it('shows how much was added', async () => {
      const page = await (await fetch(`http://${server.endpoints.metrics}/metrics`)).text();
      const sample = (family: string): number =>
        Number(
          new RegExp(`^nereid_padding_${family}_bytes_total{.*"padded".*} (\\d+)$`, 'm').exec(
            page,
          )?.[1],
        );
      // Four runs of clients with rows of 40 numbers.
      assert.equal(sample('input') + sample('added'), 4 * REQUESTS * 40 * 4);
      assert.ok(sample('added') > 0);
      assert.doesNotMatch(page, /nereid_padding_.*"split"/);
    });

    const send = async (model: string, rows: number) => {
      const inputs = [
        { name: 'words', datatype: 'BYTES', shape: [rows, 2], data: new Array(rows * 2).fill('a') },
        { name: 'scores', datatype: 'FP32', shape: [rows, 3], data: new Array(rows * 3).fill(1) },
      ];
      const response = await fetch(url(`${model}/infer`), {
        method: 'POST',
        body: JSON.stringify({ inputs }),
      });
      return { status: response.status, body: (await response.json()) as { error?: string } };
    };

    it('refuses more rows than it may split, and any more where it may not', async () => {
      for (const [model, most] of [
        ['split', 200],
        ['whole', 8],
      ] as const) {
        const { status, body } = await send(model, most + 1);
        assert.equal(status, 400);
        assert.equal(
          body.error,
          `[request id: <id_unknown>] inference request batch-size must be <= ${most} for '${model}'`,
        );
        assert.equal((await send(model, most)).status, 200);
      }
    });
  });
}
