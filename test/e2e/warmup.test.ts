// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { askHttp } from '../support/http-client.ts';
import { startNereid } from '../support/nereid.ts';
import type { Endpoints, ServerProcess } from '../support/server-process.ts';
import { TempRepository } from '../support/temp-repository.ts';

const input = (setting: string): string =>
  `inputs { key: "IN" value { data_type: TYPE_INT32 dims: 2 ${setting} } }`;
const sample = (name: string, batch: number, count: number, setting: string): string =>
  `model_warmup { name: "${name}" batch_size: ${batch} count: ${count} ${input(setting)} }\n`;

describe('warm-up', () => {
  const repository = new TempRepository();
  let server: ServerProcess & { endpoints: Endpoints };

  before(async () => {
    await repository.write('warm/warmup/row', 'eight by');
    await repository.add(
      'warm',
      'sleep',
      [1],
      'instance_group { count: 2 }\n' +
        sample('file', 3, 2, 'input_data_file: "row"') +
        sample('random', 1, 5, 'random_data: true'),
    );
    await repository.add('failing', 'poison');
    const message = 'parameters { key: "message" value { string_value: "out of tea" } }';
    await repository.write(
      'failing/config.pbtxt',
      `backend: "poison" max_batch_size: 8 ${message}
       input { name: "IN" data_type: TYPE_INT32 dims: -1 } output { name: "OUT" data_type: TYPE_INT32 dims: -1 }
       ${sample('cold', 2, 1, 'zero_data: true')}`,
    );
    server = await startNereid({
      args: [
        `--model-repository=${repository.path}`,
        '--enable-test-backends',
        '--model-control-mode=explicit',
        '--load-model=warm',
      ],
    });
  });

  after(async () => {
    await server?.stop();
    repository[Symbol.dispose]();
  });

  const post = (path: string, body = '{}') =>
    askHttp(server.endpoints.http, 'POST', path, { body });

  it('runs every sample on every instance, and counts none of it', async () => {
    const executed = await post('/v2/test/warm');
    assert.equal(executed.body, '{"executed":14}');
    const stats = await askHttp(server.endpoints.http, 'GET', '/v2/models/warm/stats');
    const [model] = JSON.parse(stats.body).model_stats;
    assert.equal(model.inference_count, 0);
    assert.equal(model.execution_count, 0);
    assert.equal(model.inference_stats.success.count, 0);
    const page = await askHttp(server.endpoints.metrics, 'GET', '/metrics');
    assert.match(page.body, /nv_inference_request_success\{model="warm",version="1"\} 0/);
  });

  it('answers what a failing sample said, and leaves nothing behind', async () => {
    const failed = await post('/v2/repository/models/failing/load');
    assert.equal(failed.status, 400);
    assert.deepEqual(JSON.parse(failed.body), {
      error:
        "load failed for model 'failing': version 1 is at UNAVAILABLE state: Invalid argument: " +
        "failed to run warmup sample 'cold': out of tea; out of tea; ;\n",
    });
    const ready = await askHttp(server.endpoints.http, 'GET', '/v2/models/failing/ready');
    assert.notEqual(ready.status, 200);
    const page = await askHttp(server.endpoints.metrics, 'GET', '/metrics');
    assert.doesNotMatch(page.body, /model="failing"/);
  });
});
