// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { loadBinding } from '../../src/addon/binding.ts';
import type { RouteRow } from '../../src/addon/routes.ts';
import { type CloudServer, startCloud } from '../support/clouds.ts';
import { curl, curlLinesOf, isPathOf } from '../support/curl.ts';
import { projectRoot, startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';

const INFER = `'{"inputs":[{"name":"IN","datatype":"INT32","shape":[1,2],"data":[7,8]}]}'`;
const GENERATE = `'{"IN":[7,8]}'`;
const PREDICT = `'{"instances":[[7,8]]}'`;
const SHM = `'{"key":"/none_such","offset":0,"byte_size":8}'`;
const CUDA = `'{"raw_handle":{"b64":"AAAA"},"device_id":0,"byte_size":8}'`;
const OUTPUT = /"data":\[7,8\]/;

interface Line {
  readonly method: string;
  readonly path: string;
  /** of the request, quoted for a shell; none when left out */
  readonly body?: string;
  readonly status: number;
  readonly answer: RegExp;
}

const line = (
  method: string,
  path: string,
  status: number,
  answer: RegExp,
  body?: string,
): Line => ({
  method,
  path,
  status,
  answer,
  ...(body === undefined ? {} : { body }),
});

/** At least one for each route and method of the table, in an order in which all of them can be asked. */
const LINES: Readonly<Record<Exclude<RouteRow['service'], 'grpc'>, readonly Line[]>> = {
  http: [
    line('POST', '/v2/models/m/infer', 200, OUTPUT, INFER),
    line('POST', '/v2/models/m/versions/1/infer', 200, OUTPUT, INFER),
    line('POST', '/v2/models/m/infer', 400, /^{"error":"/, "'{}'"),
    line('POST', '/v2/models/none/infer', 404, /unknown model: 'none'/, INFER),
    line('POST', '/v2/models/m/generate', 200, /"OUT":\[7,8\]/, GENERATE),
    line('POST', '/v2/models/m/versions/1/generate_stream', 200, /^data: {.*}\n\n$/, GENERATE),
    line('GET', '/v2/health/live', 200, /^({"live":true})?$/),
    line('GET', '/v2/health/ready', 200, /^({"ready":true})?$/),
    line('GET', '/v2/models/m/ready', 200, /^({"name":"m","ready":true})?$/),
    line('GET', '/v2/models/m/versions/7/ready', 404, /^{"error":"/),
    line('GET', '/v2', 200, /"extensions":\[/),
    line('GET', '/v2/models/m', 200, /^{"name":"m","versions":\["1"\]/),
    line('GET', '/v2/models/m/config', 200, /"max_batch_size":8/),
    line('GET', '/v2/health/details', 200, /"event_loop":{"age_ms"/),
    line('GET', '/v2/memory', 200, /^{"/),
    line('GET', '/v2/models/m/batching', 200, /^{"model_name":"m"/),
    line('GET', '/v2/models/stats', 200, /^{"model_stats":\[{"name":"m"/),
    line('GET', '/v2/models/m/stats', 200, /"success":{"count":[1-9]/),
    line('GET', '/v2/models/m/trace/setting', 200, /"trace_level":\["OFF"\]/),
    line('POST', '/v2/models/m/trace/setting', 200, /"trace_rate":"7"/, `'{"trace_rate":"7"}'`),
    line('GET', '/v2/trace/setting', 200, /"trace_rate":"1000"/),
    line('POST', '/v2/trace/setting', 200, /"trace_rate":"9"/, `'{"trace_rate":"9"}'`),
    line('GET', '/v2/logging', 200, /"log_verbose_level":0/),
    line('POST', '/v2/logging', 200, /"log_verbose_level":1/, `'{"log_verbose_level":1}'`),
    line('POST', '/v2/repository/index', 200, /"name":"late"/),
    line('POST', '/v2/repository/models/late/load', 200, /^$/),
    line('POST', '/v2/models/late/infer', 200, OUTPUT, INFER),
    line('POST', '/v2/repository/models/late/unload', 200, /^$/),
    line('POST', '/v2/repository/models/none/load', 500, /failed to load 'none'/),
    line('GET', '/v2/systemsharedmemory/status', 200, /^\[\]$/),
    line(
      'POST',
      '/v2/systemsharedmemory/region/r/register',
      500,
      /Unable to open shared memory region/,
      SHM,
    ),
    line('GET', '/v2/systemsharedmemory/region/r/status', 404, /^{"error":"/),
    line('POST', '/v2/systemsharedmemory/unregister', 200, /^$/),
    line('GET', '/v2/cudasharedmemory/status', 200, /^\[\]$/),
    line('POST', '/v2/cudasharedmemory/region/r/register', 400, /^{"error":"/, CUDA),
    line('POST', '/v2/cudasharedmemory/region/r/unregister', 200, /^$/),
    line('POST', '/v2/test/m', 404, /^{"error":"/, "'{}'"),
    line('GET', '/', 200, /^{"status":"alive"}$/),
    line('GET', '/v2/models', 200, /^{"models":\["m"\]}$/),
    line('GET', '/v1/models', 200, /^{"models":\["m"\]}$/),
    line('GET', '/v1/models/m', 200, /^{"name":"m","ready":true}$/),
    line('POST', '/v1/models/m:predict', 200, /^{"predictions":\[\[7,8\]\]}$/, PREDICT),
    line('POST', '/v1/models/m:explain', 501, /has no explainer/, PREDICT),
    line('GET', '/v2/docs', 200, /^<!doctype html>/),
    line('GET', '/v2/docs/openapi.json', 200, /^{"openapi":"3\.1\.0"/),
    line('GET', '/v2/models/m/docs', 200, /^<!doctype html>/),
    line('GET', '/v2/models/m/docs/openapi.json', 200, /^{"openapi":"3\.1\.0"/),
  ],
  metrics: [
    line('GET', '/metrics', 200, /^nv_inference_request_success{model="m",version="1"} \d/m),
    line('GET', '/', 200, /^$/),
  ],
  sagemaker: [
    line('GET', '/ping', 200, /^({"ready":true})?$/),
    line('POST', '/invocations', 200, OUTPUT, INFER),
    line('GET', '/models', 200, /^{"models":/),
    line('POST', '/models', 400, /^{"error":"/, `'{"model_name":"h","url":"/none"}'`),
    line('GET', '/models/h', 404, /^$/),
    line('POST', '/models/h/invoke', 404, /^$/, INFER),
    line('POST', '/models/h', 400, /repository not found/),
    line('DELETE', '/models/h', 404, /^$/),
  ],
  // The routes of the HTTP port, on a port of their own.
  management: [],
  'vertex-ai': [
    line('GET', '/health', 200, /^({"ready":true})?$/),
    line('POST', '/predict', 200, OUTPUT, INFER),
  ],
};

const SERVICES = {
  http: 'HTTPService',
  metrics: 'Metrics Service',
  sagemaker: 'Sagemaker HTTPService',
  'vertex-ai': 'Vertex AI HTTPService',
} as const;

/** What the environment names, where the table has a word that is no path. */
const patternOf = ({ service, pattern, methods }: RouteRow): string =>
  service !== 'vertex-ai' ? pattern : methods.includes('GET') ? '/health' : '/predict';

for (const executable of ['tritonserver', 'nereid'] as const) {
  describe(`curl asks ${executable}`, () => {
    const repository = new TempRepository();
    let cloud: CloudServer;

    before(async () => {
      await repository.addIdentity('m');
      await repository.addIdentity('late');
      cloud = await startCloud(
        executable,
        Object.values(SERVICES),
        [
          `--model-repository=${repository.path}`,
          '--model-control-mode=explicit',
          '--load-model=m',
          '--allow-client-shm=true',
          '--api-docs=true',
          '--diagnostics-api=true',
          '--tuning-api=true',
          '--allow-sagemaker=true',
          '--allow-vertex-ai=true',
          '--vertex-ai-default-model=m',
        ],
        {
          SAGEMAKER_TRITON_DEFAULT_MODEL_NAME: 'm',
          AIP_PREDICT_ROUTE: '/predict',
          AIP_HEALTH_ROUTE: '/health',
        },
      );
    });

    after(async () => {
      await cloud?.server[Symbol.asyncDispose]();
      repository[Symbol.dispose]();
    });

    for (const service of ['http', 'metrics', 'sagemaker', 'vertex-ai'] as const) {
      for (const { method, path, body, status, answer } of LINES[service]) {
        it(`${method} ${path} on the port of ${service}: ${status}`, async () => {
          const data = body === undefined ? '' : ` --data ${body}`;
          const url = `http://${cloud.at(SERVICES[service])}${path}`;
          const got = await curl(`--request ${method}${data} ${url}`);
          assert.equal(got.status, status, got.body);
          assert.match(got.body, answer);
        });
      }
    }
  });
}

describe('the curl lines', () => {
  it('are there for every HTTP route and method', () => {
    const missing = loadBinding().routes.flatMap((row) => {
      if (row.service === 'grpc') return [];
      const lines = LINES[row.service];
      return row.methods
        .filter(
          (method) =>
            !lines.some((one) => one.method === method && isPathOf(patternOf(row), one.path)),
        )
        .map((method) => `${row.service}: ${method} ${row.pattern}`);
    });
    assert.deepEqual(missing, []);
  });
});

describe('the curl lines of the documentation', () => {
  const pages = ['README.md', 'CONTRIBUTING.md', ...globSync('docs/**/*.md', { cwd: projectRoot })];
  const lines = pages.flatMap((page) => curlLinesOf(page).map((text) => [page, text] as const));
  let server: Awaited<ReturnType<typeof startNereid>>;

  before(async () => {
    server = await startNereid({
      executable: 'nereid',
      args: [`--model-repository=${projectRoot}model_repository`],
    });
  });

  after(() => server?.stop());

  it('are found', () => assert.ok(lines.length > 0));

  for (const [page, text] of lines) {
    it(`${page}: curl ${text}`, async () => {
      const { http, metrics } = server.endpoints;
      const here = text.replaceAll('localhost:8000', http).replaceAll('localhost:8002', metrics);
      assert.notEqual(here, text, 'a line names localhost:8000 or localhost:8002');
      const { status, body } = await curl(here);
      assert.ok(status >= 200 && status < 300, `${status} ${body}`);
    });
  }
});
