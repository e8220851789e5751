// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startNereid } from '../support/nereid.ts';
import {
  type Measurement,
  measure,
  type PerfAnalyzer,
  preparePerfAnalyzer,
  StuckError,
} from '../support/perf-analyzer.ts';
import type { Endpoints, ServerProcess } from '../support/server-process.ts';
import { TempRepository } from '../support/temp-repository.ts';

const REQUESTS = 200;
const AT_ONCE = 4;

const scratch = mkdtempSync(join(tmpdir(), 'nereid-perf-analyzer-'));
const analyzer = await preparePerfAnalyzer(process.env['NEREID_TEST_PYTHON'] ?? 'python3', scratch);
const skip = typeof analyzer === 'string' ? analyzer : false;

/** Each way to ask that it has, by what it is told beyond model and count. */
const WAYS: Readonly<Record<string, readonly string[]>> = {
  'HTTP, synchronous': ['-i', 'http', '--sync'],
  'HTTP, asynchronous': ['-i', 'http', '--async'],
  'HTTP, batches of 4': ['-i', 'http', '-b', '4'],
  'HTTP, tensors as JSON': [
    ...['-i', 'http', '--input-tensor-format=json', '--output-tensor-format=json'],
  ],
  'HTTP, system shared memory': [
    ...['-i', 'http', '--shared-memory=system', '--output-shared-memory-size=4096'],
  ],
  'gRPC, synchronous': ['-i', 'grpc', '--sync'],
  'gRPC, asynchronous': ['-i', 'grpc', '--async'],
  'gRPC, streaming': ['-i', 'grpc', '--async', '--streaming'],
  'gRPC, gzip': ['-i', 'grpc', '--grpc-compression-algorithm=gzip'],
  'gRPC, system shared memory': [
    ...['-i', 'grpc', '--shared-memory=system', '--output-shared-memory-size=4096'],
  ],
};

describe('perf_analyzer', { skip, timeout: 300_000 }, () => {
  const repository = new TempRepository();
  let server: ServerProcess;
  let at: Endpoints;

  /** Requests that the server has answered, and those that failed, by its statistics and its metrics page. */
  const counted = async (): Promise<{ success: number; fail: number }> => {
    const response = await fetch(`http://${at.http}/v2/models/m/stats`);
    const { model_stats: stats } = (await response.json()) as {
      model_stats: { inference_stats: Record<'success' | 'fail', { count: number }> }[];
    };
    const success = stats[0]?.inference_stats.success.count ?? 0;
    const fail = stats[0]?.inference_stats.fail.count ?? 0;
    const page = await (await fetch(`http://${at.metrics}/metrics`)).text();
    const onPage = /^nv_inference_request_success{model="m",version="1"} (\d+)$/m.exec(page)?.[1];
    assert.equal(Number(onPage), success);
    return { success, fail };
  };

  before(async () => {
    await repository.addIdentity('m');
    const started = await startNereid({
      args: [`--model-repository=${repository.path}`, '--allow-client-shm=true'],
    });
    server = started;
    at = started.endpoints;
  });

  after(async () => {
    await server?.stop();
    repository[Symbol.dispose]();
    rmSync(scratch, { recursive: true, force: true });
  });

  /** undefined when it has all its answers and does not see it */
  const tryOnce = async (
    program: PerfAnalyzer,
    args: readonly string[],
  ): Promise<Measurement | undefined> => {
    const before = await counted();
    const measurement = await measure(program, args).catch((error: unknown) => {
      if (!(error instanceof StuckError)) throw error;
      return undefined;
    });
    const now = await counted();
    assert.equal(now.fail - before.fail, 0);
    assert.equal(now.success - before.success, REQUESTS);
    return measurement;
  };

  const ask = async (args: readonly string[]): Promise<string> => {
    assert.ok(typeof analyzer !== 'string');
    const url = args.includes('grpc') ? at.grpc : at.http;
    const all = [
      ...['-m', 'm', '-u', url, '--shape', 'IN:16', `--concurrency-range=${AT_ONCE}`],
      ...[`--request-count=${REQUESTS}`, ...args],
    ];
    const measurement = (await tryOnce(analyzer, all)) ?? (await tryOnce(analyzer, all));
    assert.ok(measurement !== undefined, 'it got stuck twice');
    const { requests, failed, serverRequests, text } = measurement;
    assert.equal(requests, REQUESTS, text);
    assert.equal(failed, 0, text);
    // It looks at the statistics for the first time after its threads have begun to send, however late.
    assert.ok(serverRequests <= REQUESTS, text);
    return text;
  };

  for (const [way, args] of Object.entries(WAYS)) {
    it(`asks over ${way}`, async () => {
      await ask(args);
    });
  }

  it('reads the metrics page', async () => {
    const url = `${at.metrics}/metrics`;
    const text = await ask(['-i', 'grpc', '--collect-metrics', `--metrics-url=${url}`]);
    assert.match(text, /Server Prometheus Metrics/);
    // The families of a GPU, which this machine's page does not have; anything else it can read.
    for (const line of text.match(/^WARNING: Unable to parse .*$/gm) ?? []) {
      assert.match(line, /'nv_gpu_/);
    }
    assert.doesNotMatch(text, /Unable to connect|not accessible/);
  });

  it('says that a model it asks for is not there', async () => {
    assert.ok(typeof analyzer !== 'string');
    await assert.rejects(
      measure(analyzer, ['-m', 'none', '-u', at.http, '--request-count=1']),
      /unknown model: 'none' is not found/,
    );
  });
});
