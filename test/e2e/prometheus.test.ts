// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { projectRoot, startNereid } from '../support/nereid.ts';
import { freePorts } from '../support/ports.ts';
import { type Endpoints, ServerProcess } from '../support/server-process.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { testDoor } from '../support/test-door.ts';
import { until } from '../support/until.ts';

/** What promtool may say: of Triton's own names alone, whatever the models. */
const ALLOWED = [
  'nv_inference_request_success counter metrics should have "_total" suffix',
  'nv_inference_request_failure counter metrics should have "_total" suffix',
  "nv_inference_first_response_histogram_ms metric name should not include type 'histogram'",
  'nv_inference_first_response_histogram_ms metric names should not contain abbreviated units',
  ...['nv_inference_count', 'nv_inference_exec_count'].flatMap((name) => [
    `${name} counter metrics should have "_total" suffix`,
    `${name} non-histogram and non-summary metrics should not have "_count" suffix`,
  ]),
  'nv_inference_pending_request_count non-histogram and non-summary metrics should not have "_count" suffix',
  ...['request', 'queue', 'compute_input', 'compute_infer', 'compute_output'].flatMap((stage) => [
    `nv_inference_${stage}_duration_us counter metrics should have "_total" suffix`,
    `nv_inference_${stage}_duration_us metric names should not contain abbreviated units`,
    `nv_inference_${stage}_summary_us metric name should not include type 'summary'`,
    `nv_inference_${stage}_summary_us metric names should not contain abbreviated units`,
  ]),
].sort();

const REQUESTS = 400;
const AT_ONCE = 16;
const HELD = 5;
const BODY = JSON.stringify({
  inputs: [{ name: 'IN', datatype: 'INT32', shape: [1, 2], data: [1, 2] }],
});

const isInstalled = ['prometheus', 'promtool'].every(
  (program) => spawnSync(program, ['--version']).status === 0,
);
const skip =
  isInstalled || process.env['CI'] !== undefined ? false : 'needs the programs of Prometheus';

describe('Prometheus', { skip, timeout: 120_000 }, () => {
  const scratch = mkdtempSync(join(tmpdir(), 'nereid-prometheus-'));
  const repository = new TempRepository();
  let server: ServerProcess;
  let at: Endpoints;
  let prometheus: ServerProcess;
  let api: string;

  const infer = async (model: string): Promise<number> => {
    const url = `http://${at.http}/v2/models/${model}/infer`;
    const response = await fetch(url, { method: 'POST', body: BODY });
    await response.arrayBuffer();
    return response.status;
  };

  /** The value of an expression that has one, now. */
  const value = async (expression: string): Promise<number | undefined> => {
    const response = await fetch(`${api}/api/v1/query?query=${encodeURIComponent(expression)}`);
    const { data } = (await response.json()) as {
      data?: { result: { value: [number, string] }[] };
    };
    const [, text] = data?.result[0]?.value ?? [];
    return text === undefined ? undefined : Number(text);
  };
  const reaches = (expression: string, wanted: number): Promise<void> =>
    until(async () => (await value(expression)) === wanted);

  before(async () => {
    await repository.addIdentity(
      'plain',
      [1],
      'metric_tags { key: "team" value: "a \\"b\\" \\\\ c" }',
    );
    await repository.addGate('held');
    await repository.addChain('chain', ['plain']);
    await repository.add('stream', 'stream', [1], 'model_transaction_policy { decoupled: true }');
    await repository.write(
      'padded/config.pbtxt',
      `backend: "identity" max_batch_size: 8 dynamic_batching {}
       input [{ name: "IN" data_type: TYPE_INT32 dims: [ -1 ] }]
       output [{ name: "OUT" data_type: TYPE_INT32 dims: [ -1 ] }]
       parameters { key: "pad_input.IN" value { string_value: "buckets=4,8" } }`,
    );
    await repository.write('padded/1/empty', '');
    const started = await startNereid({
      executable: 'nereid',
      args: [
        `--model-repository=${repository.path}`,
        '--enable-test-backends',
        '--metrics-config=summary_latencies=true',
        '--metrics-config=histogram_latencies=true',
      ],
    });
    server = started;
    at = started.endpoints;
    const [port] = await freePorts(1);
    const config = {
      global: { scrape_interval: '100ms', scrape_timeout: '100ms' },
      scrape_configs: [{ job_name: 'nereid', static_configs: [{ targets: [at.metrics] }] }],
    };
    // YAML takes JSON.
    writeFileSync(join(scratch, 'prometheus.yml'), JSON.stringify(config));
    prometheus = ServerProcess.launch({
      name: 'prometheus',
      command: 'prometheus',
      args: [
        `--config.file=${join(scratch, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(scratch, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
    });
    api = `http://127.0.0.1:${port}`;
    await until(async () => {
      assert.equal(prometheus.hasExited, false, prometheus.log);
      return fetch(`${api}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    });
  });

  after(async () => {
    await prometheus?.stop();
    await server?.stop();
    repository[Symbol.dispose]();
    rmSync(scratch, { recursive: true, force: true });
  });

  it('finds under load what the clients did', async () => {
    let left = REQUESTS;
    const client = async (): Promise<void> => {
      while (left-- > 0) assert.equal(await infer('plain'), 200);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, client));
    await reaches('nv_inference_request_success{model="plain"}', REQUESTS);
    const of = '{model="plain",version="1",_team="a \\"b\\" \\\\ c"}';
    await reaches(`nv_inference_count${of}`, REQUESTS);
    assert.equal(await value('up{job="nereid"}'), 1);
    assert.equal(await value(`resets(nv_inference_request_success${of}[1m])`), 0);
    for (const stage of ['request', 'queue', 'compute_input', 'compute_infer', 'compute_output']) {
      assert.equal(await value(`nereid_inference_${stage}_duration_seconds_count${of}`), REQUESTS);
      assert.equal(await value(`nv_inference_${stage}_summary_us_count${of}`), REQUESTS);
    }
    const buckets = 'nereid_inference_request_duration_seconds_bucket{model="plain"}';
    const p99 = (await value(`histogram_quantile(0.99, ${buckets})`)) ?? Number.NaN;
    const summary = 'nv_inference_request_summary_us{model="plain",quantile="0.99"}';
    const p99us = (await value(summary)) ?? Number.NaN;
    // Both tell of the same requests: the estimate lies in the histogram's bucket, the bounds of which are 2.5 apart.
    assert.ok(
      p99 > 0 && p99us > 0 && p99us / 1e6 <= p99 * 2.51 && p99 <= (p99us / 1e6) * 2.51 + 1e-4,
    );
    const mean = `nv_inference_request_duration_us${of} / nv_inference_request_success${of}`;
    assert.ok(((await value(mean)) ?? 0) > 0);
  });

  it('finds a queue that grows and one that is gone', async () => {
    const waiting = Array.from({ length: HELD + 1 }, () => infer('held'));
    const of = '{model="held"}';
    await reaches(`nv_inference_pending_request_count${of}`, HELD);
    await reaches(`nereid_queue_requests${of}`, HELD);
    assert.equal(await value(`nereid_queue_bytes${of}`), HELD * 8);
    assert.ok(((await value(`nereid_queue_oldest_wait_seconds${of}`)) ?? 0) > 0);
    const oldest = await value(`nereid_queue_oldest_wait_seconds${of}`);
    await until(
      async () => ((await value(`nereid_queue_oldest_wait_seconds${of}`)) ?? 0) > (oldest ?? 0),
    );
    const release = (count: number) => testDoor(at, 'held', { action: 'release', count });
    // One execution has been measured: it took as long as the gate was closed, far beyond the target of 0.1 s.
    await release(1);
    await reaches(`nereid_queue_requests${of}`, HELD - 1);
    await until(async () => ((await value(`nereid_queue_saturation_ratio${of}`)) ?? 0) > 0);
    const quotient = `nereid_queue_predicted_wait_seconds${of} / nereid_queue_wait_target_seconds${of}`;
    const difference = await value(`abs(${quotient} - nereid_queue_saturation_ratio${of})`);
    assert.ok(difference !== undefined && difference < 1e-9, `${difference}`);
    await release(HELD);
    for (const status of await Promise.all(waiting)) assert.equal(status, 200);
    await reaches(`nereid_queue_requests${of}`, 0);
    await reaches(`nereid_queue_saturation_ratio${of}`, 0);
  });

  it('knows the type of every family', async () => {
    const page = await (await fetch(`http://${at.metrics}/metrics`)).text();
    const written = new Map([...page.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, a, b]) => [a, b]));
    assert.equal(written.get('nv_inference_first_response_histogram_ms'), 'histogram');
    assert.equal(written.get('nv_inference_request_summary_us'), 'summary');
    const response = await fetch(`${api}/api/v1/targets/metadata`);
    const { data } = (await response.json()) as { data: { metric: string; type: string }[] };
    const read = new Map(data.map(({ metric, type }) => [metric, type]));
    for (const [name, type] of written) assert.equal(read.get(name ?? ''), type, name);
  });

  it('has the families that docs/metrics.md lists, and no others', async () => {
    const page = await (await fetch(`http://${at.metrics}/metrics`)).text();
    const written = [...page.matchAll(/^# TYPE (n(?:v|ereid)_\S+ \S+)$/gm)].map(([, text]) => text);
    const docs = readFileSync(join(projectRoot, 'docs/metrics.md'), 'utf8');
    const listed = [...docs.matchAll(/^\| `(n(?:v|ereid)_\w+)` \| (\w+) \|/gm)];
    assert.deepEqual(written.sort(), listed.map(([, name, type]) => `${name} ${type}`).sort());
  });

  it('has promtool find nothing but Triton’s own names', async () => {
    const page = await (await fetch(`http://${at.metrics}/metrics`)).text();
    const { stderr, stdout } = spawnSync('promtool', ['check', 'metrics'], {
      input: page,
      encoding: 'utf8',
    });
    const said = `${stdout}${stderr}`.split('\n').filter((line) => line !== '');
    assert.deepEqual(said.sort(), ALLOWED);
  });

  it('loses a model that is gone', async () => {
    assert.notEqual(await value('nv_model_load_duration_secs{model="plain"}'), undefined);
    await server.stop();
    await until(async () => (await value('up{job="nereid"}')) === 0);
    assert.equal(await value('nv_model_load_duration_secs{model="plain"}'), undefined);
  });
});
