// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { projectRoot, startNereid } from '../support/nereid.ts';
import { ONNX_FLOAT, ONNX_INT32, ONNX_INT64, ONNX_STRING, OnnxFile } from '../support/onnx-file.ts';
import type { Endpoints, ServerProcess } from '../support/server-process.ts';
import { TempRepository } from '../support/temp-repository.ts';

const python = process.env['NEREID_TEST_PYTHON'] ?? 'python3';
const TOGETHER = 8;
const REQUESTS = 400;

// A batch runs when it has eight rows: the numbers of executions are known.
const BATCHING = `max_batch_size: ${TOGETHER}
dynamic_batching { preferred_batch_size: [ ${TOGETHER} ] max_queue_delay_microseconds: 5000000 }
instance_group { count: 1 }
`;

/** doubled = x + x; total[i] = the sum of the elements of request i, by `starts`, where each begins. */
const ragged = new OnnxFile()
  .input('x', ONNX_FLOAT, [-1])
  .input('starts', ONNX_INT32, [-1])
  .input('also_starts', ONNX_INT32, [-1])
  .constant('axis', ONNX_INT64, [], new BigInt64Array([0n]))
  .constant('zero', ONNX_INT64, [1], new BigInt64Array([0n]))
  .constant('one', ONNX_INT64, [1], new BigInt64Array([1n]))
  .constant('last', ONNX_INT64, [1], new BigInt64Array([-1n]))
  .constant('end', ONNX_INT64, [1], new BigInt64Array([2n ** 62n]))
  .node('Add', ['x', 'x'], ['doubled'])
  .node('CumSum', ['x', 'axis'], ['sums'])
  .node('Pad', ['sums', 'pads'], ['from_zero'])
  .constant('pads', ONNX_INT64, [2], new BigInt64Array([1n, 0n]))
  .node('Gather', ['from_zero', 'starts'], ['at_starts'])
  .node('Gather', ['from_zero', 'also_starts'], ['at_ends'])
  .node('Slice', ['at_starts', 'zero', 'last'], ['low'])
  .node('Slice', ['at_ends', 'one', 'end'], ['high'])
  .node('Sub', ['high', 'low'], ['total'])
  .output('doubled', ONNX_FLOAT, [-1])
  .output('total', ONNX_FLOAT, [-1]);

const RAGGED = `platform: "onnxruntime_onnx"
${BATCHING}
input { name: "x" data_type: TYPE_FP32 dims: [ -1 ] allow_ragged_batch: true }
batch_input {
  kind: BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO
  target_name: [ "starts", "also_starts" ] data_type: TYPE_INT32 source_input: "x"
}
output [
  { name: "doubled" data_type: TYPE_FP32 dims: [ -1 ] },
  { name: "total" data_type: TYPE_FP32 dims: [ 1 ] reshape { } }
]
batch_output { kind: BATCH_SCATTER_WITH_INPUT_SHAPE target_name: "doubled" source_input: "x" }
`;

/** What the server makes from the batch comes back as outputs that every request sees whole. */
const words = new OnnxFile()
  .input('words', ONNX_STRING, [-1])
  .input('shapes', ONNX_FLOAT, [-1, 2])
  .output('same', ONNX_STRING, [-1])
  .output('shapes_seen', ONNX_FLOAT, [-1, 2])
  .node('Identity', ['words'], ['same'])
  .node('Identity', ['shapes'], ['shapes_seen']);

const WORDS = `platform: "onnxruntime_onnx"
${BATCHING}
input { name: "words" data_type: TYPE_STRING dims: [ -1, -1 ] allow_ragged_batch: true }
batch_input { kind: BATCH_ITEM_SHAPE target_name: "shapes" data_type: TYPE_FP32 source_input: "words" }
output [
  { name: "same" data_type: TYPE_STRING dims: [ -1, -1 ] },
  { name: "shapes_seen" data_type: TYPE_FP32 dims: [ 2 ] }
]
batch_output { target_name: "same" source_input: "words" }
`;

for (const inferPath of ['native', 'typescript']) {
  describe(`ragged batches, under --infer-path=${inferPath}`, () => {
    const repository = new TempRepository();
    let server: ServerProcess & { endpoints: Endpoints };

    before(async () => {
      for (const [name, config, file] of [
        ['ragged', RAGGED, ragged],
        ['words', WORDS, words],
      ] as const) {
        await repository.write(`${name}/config.pbtxt`, config);
        await repository.write(`${name}/1/model.onnx`, '');
        await writeFile(join(repository.path, name, '1/model.onnx'), file.bytes());
      }
      server = await startNereid({
        args: [
          `--model-repository=${repository.path}`,
          `--infer-path=${inferPath}`,
          '--allow-client-shm=true',
        ],
      });
    });

    after(async () => {
      await server?.stop();
      repository[Symbol.dispose]();
    });

    const get = async (path: string): Promise<unknown> =>
      (await fetch(`http://${server.endpoints.http}/v2/models/${path}`)).json();

    const executions = async (model: string): Promise<number> => {
      const { model_stats } = (await get(`${model}/stats`)) as {
        model_stats: { execution_count: number }[];
      };
      return model_stats[0]?.execution_count ?? 0;
    };

    for (const protocol of ['http', 'grpc'] as const)
      it(`leads the elements of each request home (tritonclient, ${protocol})`, async () => {
        const before = await executions('ragged');
        await promisify(execFile)(python, [
          join(projectRoot, 'test/e2e/ragged.py'),
          protocol,
          server.endpoints[protocol],
          String(REQUESTS),
        ]);
        assert.equal((await executions('ragged')) - before, REQUESTS / TOGETHER);
      });

    it('leads strings of any shape home', async () => {
      const calls = Array.from({ length: TOGETHER }, async (_, i) => {
        const shape = [1, i % 3, (i % 4) + 1];
        const data = Array.from({ length: (i % 3) * ((i % 4) + 1) }, (_, k) =>
          `${i}.${k}`.repeat(i),
        );
        const response = await fetch(`http://${server.endpoints.http}/v2/models/words/infer`, {
          method: 'POST',
          body: JSON.stringify({ inputs: [{ name: 'words', datatype: 'BYTES', shape, data }] }),
        });
        const { outputs } = (await response.json()) as {
          outputs: { name: string; shape: number[]; data: unknown[] }[];
        };
        const output = (name: string) => outputs.find((one) => one.name === name);
        assert.deepEqual(output('same')?.shape, shape);
        assert.deepEqual(output('same')?.data, data);
        assert.deepEqual(output('shapes_seen')?.data, shape.slice(1));
      });
      await Promise.all(calls);
      assert.equal(await executions('words'), 1);
    });

    it('tells clients nothing of tensors that are made from the batch', async () => {
      const { inputs } = (await get('ragged')) as { inputs: { name: string; shape: number[] }[] };
      assert.deepEqual(inputs, [{ name: 'x', datatype: 'FP32', shape: [-1, -1] }]);
    });
  });
}

describe('a ragged model that does not fit its file', () => {
  const refused: readonly [what: string, config: string, message: RegExp][] = [
    [
      'a name the model does not know',
      RAGGED.replace('"also_starts"', '"none_such"'),
      /unexpected inference input 'none_such', allowed inputs are: also_starts, starts, x/,
    ],
    [
      'numbers of another type',
      RAGGED.replace('data_type: TYPE_INT32 source', 'data_type: TYPE_FP32 source'),
      /configuration expects datatype TYPE_FP32 for input 'starts', model provides TYPE_INT32/,
    ],
    [
      'a free dimension that the source does not have',
      RAGGED.replace(
        'name: "doubled" data_type: TYPE_FP32 dims: [ -1 ]',
        'name: "doubled" data_type: TYPE_FP32 dims: [ 2, -1 ]',
      ),
      /output 'doubled' of model 'm' has a free dimension that its source input 'x' does not have/,
    ],
  ];
  for (const [what, config, message] of refused)
    it(`is refused for ${what}`, async () => {
      using repository = new TempRepository();
      await repository.write('m/config.pbtxt', config);
      await repository.write('m/1/model.onnx', '');
      await writeFile(join(repository.path, 'm/1/model.onnx'), ragged.bytes());
      await using server = await startNereid({
        args: [`--model-repository=${repository.path}`, '--model-control-mode=explicit'],
      });
      const response = await fetch(`http://${server.endpoints.http}/v2/repository/models/m/load`, {
        method: 'POST',
      });
      assert.equal(response.status, 400);
      assert.match(((await response.json()) as { error: string }).error, message);
    });
});
