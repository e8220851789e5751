// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { addModels } from '../support/model-repository.ts';
import { projectRoot, startNereid } from '../support/nereid.ts';
import type { Endpoints, ServerProcess } from '../support/server-process.ts';
import { TempRepository } from '../support/temp-repository.ts';

const python = process.env['NEREID_TEST_PYTHON'] ?? 'python3';
const SCRIPT = join(projectRoot, 'test/e2e/shared_memory.py');

const CHECKS: readonly [name: string, check: string][] = [
  ['registers, shows and unregisters regions', 'verbs'],
  ['reads and writes tensors in regions', 'tensors'],
  ['runs models of ONNX Runtime from region to region', 'models'],
  ['takes strings in regions, and looks at their lengths', 'strings'],
  ['keeps the regions of two clients apart', 'two_clients'],
  ['survives regions that are unregistered under load', 'unregister_under_load'],
  ['survives files that are shortened under load', 'truncate_under_load'],
  ['survives a client that is killed', 'killed_client'],
];

for (const inferPath of ['native', 'typescript']) {
  describe(`shared memory of clients, --infer-path=${inferPath}`, () => {
    const repository = new TempRepository();
    let server: ServerProcess & { endpoints: Endpoints };

    before(async () => {
      await repository.addIdentity('m');
      await addModels(repository.path, ['digits', 'simple_identity']);
      server = await startNereid({
        args: [
          `--model-repository=${repository.path}`,
          '--allow-client-shm=true',
          `--infer-path=${inferPath}`,
        ],
      });
    });

    after(async () => {
      await server?.stop();
      repository[Symbol.dispose]();
    });

    it('takes the requests of a gRPC stream', async () => {
      await promisify(execFile)(python, [SCRIPT, 'stream', 'grpc', server.endpoints.grpc]);
    });

    for (const [name, check] of CHECKS) {
      for (const protocol of ['http', 'grpc'] as const) {
        it(`${name}, over ${protocol}`, async () => {
          const run = promisify(execFile);
          await run(python, [SCRIPT, check, protocol, server.endpoints[protocol]]);
          assert.equal(server.hasExited, false);
        });
      }
    }
  });
}

describe('shared memory of clients that is switched off', () => {
  const disabled =
    "Client shared memory is disabled. Start the server with '--allow-client-shm=true' to enable.";

  for (const executable of ['tritonserver', 'nereid'] as const) {
    it(`is refused by default under the name ${executable}`, async () => {
      using repository = new TempRepository();
      await repository.addIdentity('m');
      const server = await startNereid({
        executable,
        args: [`--model-repository=${repository.path}`],
      });
      try {
        const call = async (method: string, path: string, body?: object) => {
          const response = await fetch(`http://${server.endpoints.http}${path}`, {
            method,
            body: body === undefined ? null : JSON.stringify(body),
          });
          return [response.status, await response.text()];
        };
        const refused = [501, JSON.stringify({ error: disabled })];
        const register = '/v2/systemsharedmemory/region/r/register';
        assert.deepEqual(await call('POST', register, { key: '/k', byte_size: 1 }), refused);
        assert.deepEqual(await call('POST', '/v2/cudasharedmemory/region/r/register', {}), refused);
        const input = {
          name: 'IN',
          datatype: 'INT32',
          shape: [1, 1],
          parameters: { shared_memory_region: 'r', shared_memory_byte_size: 4 },
        };
        assert.deepEqual(await call('POST', '/v2/models/m/infer', { inputs: [input] }), refused);
        assert.deepEqual(await call('GET', '/v2/systemsharedmemory/status'), [200, '[]']);
        assert.deepEqual(await call('POST', '/v2/systemsharedmemory/unregister'), [200, '']);
      } finally {
        await server.stop();
      }
    });
  }
});
