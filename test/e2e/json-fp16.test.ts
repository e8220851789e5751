// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';

const identity = (type: string): string => `backend: "identity"
max_batch_size: 8
input [{ name: "IN" data_type: TYPE_${type} dims: [ -1 ] }]
output [{ name: "OUT" data_type: TYPE_${type} dims: [ -1 ] }]
`;

/** What is sent, the bits that reach the model, and what comes back. */
const CASES: [type: string, sent: string, bits: number[], back: number[]][] = [
  ['FP16', '1, -2.5, 0.1', [0x3c00, 0xc100, 0x2e66], [1, -2.5, 0.1]],
  ['FP16', '2049, 2051, 65519.99', [0x6800, 0x6802, 0x7bff], [2048, 2052, 65504]],
  ['FP16', '1e30, -Infinity, 5.9e-8', [0x7c00, 0xfc00, 1], [Infinity, -Infinity, 6e-8]],
  ['FP16', 'NaN, -0.0, 1e-9', [0x7e00, 0x8000, 0], [Number.NaN, -0, 0]],
  ['BF16', '1, 3.14, 1e39', [0x3f80, 0x4049, 0x7f80], [1, 3.14, Infinity]],
  ['BF16', '257, 259, -1e-45', [0x4380, 0x4382, 0x8000], [256, 260, -0]],
];

/** JSON with the bare words that stand for what is no number. */
const readNumbers = (body: string): number[] =>
  /"data":\[([^\]]*)\]/.exec(body)?.[1]?.split(',').map(Number) ?? [];

for (const inferPath of ['native', 'typescript']) {
  describe(`16-bit reals in JSON, ${inferPath} path`, () => {
    const repository = new TempRepository();
    const servers: Awaited<ReturnType<typeof startNereid>>[] = [];
    let on = '';
    let off = '';

    const infer = async (at: string, type: string, sent: string, binary = false) => {
      const parameters = { binary_data_output: binary };
      const body = JSON.stringify({
        parameters,
        inputs: [{ name: 'IN', shape: [1, 3], datatype: type, data: [] }],
      }).replace('"data":[]', `"data":[${sent}]`);
      const response = await fetch(`http://${at}/v2/models/m_${type}/infer`, {
        method: 'POST',
        body,
      });
      return { status: response.status, bytes: Buffer.from(await response.arrayBuffer()) };
    };

    before(async () => {
      for (const type of ['FP16', 'BF16']) {
        await repository.write(`m_${type}/config.pbtxt`, identity(type));
        await repository.write(`m_${type}/1/any`, '');
      }
      const args = [`--model-repository=${repository.path}`, `--infer-path=${inferPath}`];
      servers.push(await startNereid({ executable: 'nereid', args }), await startNereid({ args }));
      [on = '', off = ''] = servers.map((server) => server.endpoints.http);
    });
    after(async () => {
      await Promise.all(servers.map((server) => server.stop()));
      repository[Symbol.dispose]();
    });

    it('are taken and given under nereid', async () => {
      for (const [type, sent, bits, back] of CASES) {
        const binary = await infer(on, type, sent, true);
        assert.equal(binary.status, 200, String(binary.bytes));
        const tail = binary.bytes.subarray(-6);
        assert.deepEqual(
          [0, 2, 4].map((at) => tail.readUInt16LE(at)),
          bits,
          `${type} ${sent}`,
        );
        const json = await infer(on, type, sent);
        const numbers = readNumbers(String(json.bytes));
        for (const [i, number] of numbers.entries()) {
          const expected = back[i] ?? 0;
          // As many digits as tell 16-bit reals apart.
          const near = Math.abs(number - expected) <= Math.abs(expected) * 1e-3;
          assert.ok(near || Object.is(number, expected), `${number} for ${expected}`);
        }
        assert.equal(numbers.length, 3);
      }
    });

    it('are refused under tritonserver, in the words of Triton', async () => {
      for (const type of ['FP16', 'BF16']) {
        const { status, bytes } = await infer(off, type, '1,2,3');
        assert.equal(status, 400);
        assert.match(
          String(bytes),
          new RegExp(
            `receiving ${type} data via JSON is not supported\\. Please use the binary data format for input IN`,
          ),
        );
      }
    });
  });
}
