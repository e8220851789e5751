// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { projectRoot, startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';

const python = process.env['NEREID_KSERVE_PYTHON'] ?? '';

const HALF = `backend: "identity"
max_batch_size: 8
input [{ name: "IN" data_type: TYPE_FP16 dims: [ -1 ] }]
output [{ name: "OUT" data_type: TYPE_FP16 dims: [ -1 ] }]
`;

describe("KServe's own client", () => {
  for (const executable of ['nereid', 'tritonserver'] as const) {
    for (const inferPath of ['native', 'typescript']) {
      it(`works unchanged with ${executable}, ${inferPath} path`, async () => {
        using repository = new TempRepository();
        await repository.addIdentity('m');
        await repository.write('half/config.pbtxt', HALF);
        await repository.write('half/1/any', '');
        // As KServe starts it.
        const args = [
          `--model-store=${repository.path}`,
          '--allow-grpc=true',
          '--allow-http=true',
          `--infer-path=${inferPath}`,
        ];
        await using server = await startNereid({ executable, args });
        const { http, grpc } = server.endpoints;
        const script = join(projectRoot, 'test/kserve/client.py');
        const properties = executable === 'nereid' ? ['properties'] : [];
        const run = promisify(execFile)(python, [script, http, grpc, ...properties]);
        const { stdout } = await run;
        assert.deepEqual(stdout.trim().split('\n'), [
          'ok rest_v1',
          'ok rest_v2',
          'ok grpc_v2',
          'ok metadata',
        ]);
      });
    }
  }
});
