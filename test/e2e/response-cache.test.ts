// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { askHttp } from '../support/http-client.ts';
import { startNereid } from '../support/nereid.ts';
import type { Endpoints, ServerProcess } from '../support/server-process.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { testDoor } from '../support/test-door.ts';
import { until } from '../support/until.ts';

const ENABLED = 'response_cache { enable: true }\n';

for (const inferPath of ['native', 'typescript']) {
  describe(`the response cache, under --infer-path=${inferPath}`, () => {
    const repository = new TempRepository();
    let server: ServerProcess & { endpoints: Endpoints };

    before(async () => {
      await repository.add('kept', 'sleep', [1], ENABLED);
      await repository.add('batched', 'sleep', [1], `${ENABLED}dynamic_batching { }`);
      await repository.add('plain', 'sleep');
      server = await startNereid({
        args: [
          `--model-repository=${repository.path}`,
          '--enable-test-backends',
          '--model-control-mode=explicit',
          '--load-model=*',
          '--cache-config=local,size=1048576',
          `--infer-path=${inferPath}`,
        ],
      });
    });

    after(async () => {
      await server?.stop();
      repository[Symbol.dispose]();
    });

    const infer = async (model: string, data: readonly number[], more: object = {}) => {
      const inputs = [{ name: 'IN', shape: [1, data.length], datatype: 'INT32', data }];
      const body = JSON.stringify({ inputs, ...more });
      const answer = await askHttp(server.endpoints.http, 'POST', `/v2/models/${model}/infer`, {
        body,
      });
      assert.equal(answer.status, 200, answer.body);
      return JSON.parse(answer.body);
    };
    const executed = async (model: string): Promise<number> =>
      (await testDoor(server.endpoints, model, {})).executed;
    const cacheCounts = async (model: string) => {
      const answer = await askHttp(server.endpoints.http, 'GET', `/v2/models/${model}/stats`);
      const [row] = JSON.parse(answer.body).model_stats;
      return [row.inference_stats.cache_hit.count, row.inference_stats.cache_miss.count];
    };

    it('answers repeated requests without the model, each as its client asked', async () => {
      for (const model of ['kept', 'batched']) {
        const before = await executed(model);
        const [hits, misses] = await cacheCounts(model);
        const first = await infer(model, [10, 30, 20]);
        assert.deepEqual(first.outputs[0].data, [10, 30, 20]);
        const again = await infer(model, [10, 30, 20], { id: 'again' });
        assert.deepEqual(again, { ...first, id: 'again' });
        const top = await infer(model, [10, 30, 20], {
          outputs: [{ name: 'OUT', parameters: { classification: 1 } }],
        });
        assert.match(top.outputs[0].data[0], /^30.*:1/);
        assert.equal((await executed(model)) - before, 1);
        assert.deepEqual(await cacheCounts(model), [hits + 2, misses + 1]);
      }
    });

    it('is for models that want it', async () => {
      const before = await executed('plain');
      for (let i = 0; i < 3; i++) await infer('plain', [1]);
      assert.equal((await executed('plain')) - before, 3);
      const page = (await askHttp(server.endpoints.metrics, 'GET', '/metrics')).body;
      assert.match(page, /^nv_cache_num_hits_per_model\{model="kept",version="1"\} \d+$/m);
      assert.match(page, /^nv_cache_miss_duration_per_model\{model="kept",version="1"\} \d+$/m);
      assert.doesNotMatch(page, /nv_cache_.*model="plain"/);
    });

    it('forgets what a model has answered when it is loaded again', async () => {
      await infer('kept', [77]);
      await repository.write('kept/1/changed', 'x');
      const path = '/v2/repository/models/kept/load';
      assert.equal((await askHttp(server.endpoints.http, 'POST', path)).status, 200);
      assert.deepEqual(await cacheCounts('kept'), [0, 0]);
      await infer('kept', [77]);
      assert.deepEqual(await cacheCounts('kept'), [0, 1]);
    });
  });
}

describe('the response cache of a model that is reloaded under load', () => {
  it('never answers as the version before did, once the load has answered', async () => {
    using repository = new TempRepository();
    // Each load brings another version, whose answers are one copy of the input longer.
    const bring = (generation: number): Promise<void> =>
      repository.add(
        'growing',
        'burst',
        [generation],
        `${ENABLED}parameters { key: "factor" value { string_value: "${generation}" } }`,
      );
    await bring(1);
    const server = await startNereid({
      args: [
        `--model-repository=${repository.path}`,
        '--enable-test-backends',
        '--model-control-mode=explicit',
        '--load-model=growing',
        '--cache-config=local,size=1048576',
      ],
    });
    try {
      const { http } = server.endpoints;
      const post = (path: string, body?: string) =>
        askHttp(http, 'POST', `/v2/${path}`, body === undefined ? undefined : { body });
      let loaded = 1;
      let answers = 0;
      let ends = false;
      const ask = async (client: number): Promise<void> => {
        while (!ends) {
          const least = loaded;
          // Few questions, so that nearly all are known.
          const data = [client % 2, 7];
          const inputs = [{ name: 'IN', shape: [1, 2], datatype: 'INT32', data }];
          const answer = await post('models/growing/infer', JSON.stringify({ inputs }));
          assert.equal(answer.status, 200, answer.body);
          const { model_version, outputs } = JSON.parse(answer.body);
          const generation = Number(model_version);
          assert.ok(generation >= least, `version ${generation} after ${least} was loaded`);
          assert.deepEqual(outputs[0].data, Array(generation).fill(data).flat());
          answers += 1;
        }
      };
      const load = Promise.all([0, 1, 2, 3, 4, 5].map(ask));
      const hits = async (): Promise<number> => {
        const answer = await askHttp(http, 'GET', '/v2/models/growing/stats');
        const rows: { inference_stats: { cache_hit: { count: number } } }[] = JSON.parse(
          answer.body,
        ).model_stats;
        return rows.reduce((sum, row) => sum + row.inference_stats.cache_hit.count, 0);
      };
      for (let generation = 2; generation <= 8; generation += 1) {
        const before = answers;
        await until(async () => answers >= before + 20 && (await hits()) >= 10);
        await bring(generation);
        const answer = await post('repository/models/growing/load');
        assert.equal(answer.status, 200, answer.body);
        loaded = generation;
      }
      const before = answers;
      await until(() => answers >= before + 20);
      ends = true;
      await load;
    } finally {
      await server.stop();
    }
  });
});

describe('a server without --cache-config', () => {
  it('runs every request', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m', [1], ENABLED);
    const server = await startNereid({ args: [`--model-repository=${repository.path}`] });
    try {
      const page = await askHttp(server.endpoints.metrics, 'GET', '/metrics');
      assert.match(page.body, /nv_inference_request_success\{model="m"/);
      assert.doesNotMatch(page.body, /nv_cache_/);
    } finally {
      await server.stop();
    }
  });
});
