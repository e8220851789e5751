// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import protobuf from 'protobufjs';
import { startCloud } from '../support/clouds.ts';
import { projectRoot, startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';

const ASKS = 'endpoint-load-metrics-format';
const HEADERS = ['', '-json', '-bin'].map((end) => `endpoint-load-metrics${end}`);
const FIELDS = [
  'cpu_utilization',
  'mem_utilization',
  'rps_fractional',
  'eps',
  'application_utilization',
];
const NAMED = ['queue_saturation', 'queued_requests', 'requests'];
const BODY = '{"inputs":[{"name":"IN","datatype":"INT32","shape":[1,2],"data":[1,2]}]}';

/** What a balancer knows of the message (xds/data/orca/v3/orca_load_report.proto). */
const OrcaLoadReport = protobuf
  .parse(
    `syntax = "proto3";
     message OrcaLoadReport {
       double cpu_utilization = 1; double mem_utilization = 2; double rps_fractional = 6; double eps = 7;
       map<string, double> named_metrics = 8; double application_utilization = 9;
     }`,
    { keepCase: true },
  )
  .root.lookupType('OrcaLoadReport');

type Report = Record<string, number>;

function flatten(report: Record<string, unknown>): Report {
  const { named_metrics: named, ...fields } = report;
  const values: Report = {};
  for (const [key, value] of Object.entries(fields)) values[key] = Number(value);
  for (const [key, value] of Object.entries(named ?? {})) {
    values[`named_metrics.${key}`] = Number(value);
  }
  return values;
}

function fromText(text: string, equals: string): Report {
  const pairs = text.split(',').map((pair) => pair.split(equals));
  return Object.fromEntries(pairs.map(([key, value]) => [key ?? '', Number(value)]));
}

const fromBinary = (bytes: Uint8Array): Report =>
  flatten(OrcaLoadReport.toObject(OrcaLoadReport.decode(bytes), { defaults: true }));

/** Of the one header that carries a report; undefined without one. */
function readReport(get: (name: string) => string | Uint8Array | undefined): Report | undefined {
  const present = HEADERS.filter((name) => get(name) !== undefined);
  assert.ok(present.length <= 1, 'Envoy refuses an answer with two reports');
  const [name] = present;
  if (name === undefined) return undefined;
  const value = get(name) ?? '';
  if (typeof value !== 'string') return fromBinary(value);
  if (name.endsWith('-bin')) return fromBinary(Buffer.from(value, 'base64'));
  if (name.endsWith('-json')) return flatten(JSON.parse(value));
  if (value.startsWith('TEXT ')) return fromText(value.slice(5), '=');
  if (value.startsWith('JSON ')) return flatten(JSON.parse(value.slice(5)));
  return fromText(value, ':');
}

/** @param leastOpen requests that are open at that moment: the one that asks, unless it is over */
function assertReport(report: Report | undefined, leastOpen = 1): void {
  assert.ok(report !== undefined, 'the answer has a report');
  const expected = [...FIELDS, ...NAMED.map((name) => `named_metrics.${name}`)];
  assert.deepEqual(Object.keys(report).sort(), expected.sort());
  for (const [name, value] of Object.entries(report)) {
    assert.ok(Number.isFinite(value) && value >= 0, `${name}=${value}`);
  }
  assert.ok((report['named_metrics.requests'] ?? 0) >= leastOpen, 'requests that are open');
}

const FORMS = ['text', 'json', 'bin', 'plain-text', 'plain-json'];

interface Asked {
  readonly status: number;
  readonly report: Report | undefined;
  readonly headers: Headers;
}

async function ask(
  at: string,
  path: string,
  form?: string,
  body = BODY,
  method = path.includes('/models/') ? 'POST' : 'GET',
): Promise<Asked> {
  const headers = form === undefined ? {} : { [ASKS]: form };
  const init = method === 'POST' ? { method, headers, body } : { method, headers };
  const response = await fetch(`http://${at}${path}`, init);
  await response.arrayBuffer();
  const report = readReport((name) => response.headers.get(name) ?? undefined);
  return { status: response.status, report, headers: response.headers };
}

const INFER = '/v2/models/m/infer';

const definition = loadSync(`${projectRoot}protos/inference.proto`, { keepCase: true });
const Inference = (
  grpc.loadPackageDefinition(definition) as unknown as {
    inference: { GRPCInferenceService: grpc.ServiceClientConstructor };
  }
).inference.GRPCInferenceService;

type StreamVerb = (metadata: grpc.Metadata) => grpc.ClientDuplexStream<object, object>;
type Verb = (request: object, metadata: grpc.Metadata, done: () => void) => grpc.ClientUnaryCall;

/** The trailers of a stream of `requests`, which all get an answer. */
function trailersOfStream(
  client: grpc.Client,
  requests: readonly object[],
  form: string,
): Promise<{ code: number; report: Report | undefined; answers: number }> {
  const metadata = new grpc.Metadata();
  metadata.set(ASKS, form);
  const open = (client as unknown as Record<string, StreamVerb>)['ModelStreamInfer'];
  return new Promise((resolve) => {
    const call = open?.call(client, metadata);
    let answers = 0;
    call?.on('data', () => {
      answers += 1;
    });
    call?.on('error', () => undefined);
    call?.on('status', ({ code, metadata: trailers }: grpc.StatusObject) => {
      resolve({ code, answers, report: readReport((name) => trailers.get(name)[0]) });
    });
    for (const request of requests) call?.write(request);
    call?.end();
  });
}

/** The trailers of one call; those of an error too. */
function trailersOf(
  client: grpc.Client,
  method: string,
  request: object,
  form?: string,
): Promise<{ code: number; report: Report | undefined }> {
  const metadata = new grpc.Metadata();
  if (form !== undefined) metadata.set(ASKS, form);
  const verb = (client as unknown as Record<string, Verb>)[method];
  return new Promise((resolve) => {
    const call = verb?.call(client, request, metadata, () => {});
    call?.on('status', ({ code, metadata: trailers }: grpc.StatusObject) => {
      resolve({ code, report: readReport((name) => trailers.get(name)[0]) });
    });
  });
}

const REQUEST = {
  model_name: 'm',
  inputs: [{ name: 'IN', datatype: 'INT32', shape: [1, 2], contents: { int_contents: [1, 2] } }],
};

for (const path of ['native', 'typescript'] as const) {
  describe(`reports of load on request, infer path ${path}`, () => {
    const repository = new TempRepository();
    let server: Awaited<ReturnType<typeof startNereid>>;
    let client: grpc.Client;

    before(async () => {
      await repository.addIdentity('m');
      server = await startNereid({
        executable: 'nereid',
        args: [
          `--model-repository=${repository.path}`,
          '--orca-load-metrics=asked',
          `--infer-path=${path}`,
        ],
      });
      client = new Inference(server.endpoints.grpc, grpc.credentials.createInsecure());
    });

    after(async () => {
      client?.close();
      await server?.stop();
      repository[Symbol.dispose]();
    });

    for (const form of FORMS) {
      it(`come as ${form}`, async () => {
        const http = await ask(server.endpoints.http, INFER, form);
        assert.equal(http.status, 200);
        assertReport(http.report);
        const rpc = await trailersOf(client, 'ModelInfer', REQUEST, form);
        assert.equal(rpc.code, grpc.status.OK);
        assertReport(rpc.report);
      });
    }

    it('come with generate, its stream and errors', async () => {
      for (const verb of ['generate', 'generate_stream']) {
        const answer = await ask(
          server.endpoints.http,
          `/v2/models/m/${verb}`,
          'json',
          '{"IN":[1,2]}',
        );
        assert.equal(answer.status, 200, verb);
        assertReport(answer.report);
      }
      const refused = await ask(server.endpoints.http, INFER, 'json', '{}');
      assert.equal(refused.status, 400);
      assertReport(refused.report);
      const unknown = await trailersOf(client, 'ModelInfer', { model_name: 'x' }, 'text');
      assert.equal(unknown.code, grpc.status.NOT_FOUND);
      assertReport(unknown.report);
    });

    it('come at the end of a gRPC stream', async () => {
      for (const count of [0, 3]) {
        const requests = Array.from({ length: count }, () => REQUEST);
        const { code, answers, report } = await trailersOfStream(client, requests, 'bin');
        assert.deepEqual([code, answers], [grpc.status.OK, count]);
        assertReport(report, 0);
      }
    });

    it('come to nobody else', async () => {
      const { http } = server.endpoints;
      for (const form of [undefined, 'xml', 'TEXT', '']) {
        assert.equal((await ask(http, INFER, form)).report, undefined, form);
        const rpc = await trailersOf(client, 'ModelInfer', REQUEST, form);
        assert.equal(rpc.report, undefined, form);
      }
      assert.equal((await ask(http, '/v2', 'text')).report, undefined);
      assert.equal((await ask(http, '/v2/health/ready', 'text')).report, undefined);
      assert.equal((await trailersOf(client, 'ServerLive', {}, 'text')).report, undefined);
    });
  });
}

describe('reports of load in every answer', () => {
  it('have the form of the flag where none is asked for', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    const server = await startNereid({
      executable: 'nereid',
      args: [`--model-repository=${repository.path}`, '--orca-load-metrics=bin'],
    });
    await using _ = server;
    const plain = await ask(server.endpoints.http, INFER);
    assert.ok(plain.headers.get('endpoint-load-metrics-bin') !== null);
    assertReport(plain.report);
    const asked = await ask(server.endpoints.http, INFER, 'text');
    assert.match(asked.headers.get('endpoint-load-metrics') ?? '', /^TEXT cpu_utilization=/);
    assertReport(asked.report);
  });

  it('count requests and errors', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    const server = await startNereid({
      executable: 'nereid',
      args: [`--model-repository=${repository.path}`, '--orca-load-metrics=json'],
    });
    await using _ = server;
    let report: Report = {};
    while (!(report['rps_fractional'] ?? 0)) {
      report = (await ask(server.endpoints.http, INFER)).report ?? {};
    }
    assert.ok((report['application_utilization'] ?? 0) > 0);
    assert.ok((report['cpu_utilization'] ?? 0) > 0);
    assert.equal(report['eps'], 0);
  });
});

describe('reports of load on the ports of clouds', () => {
  const CLOUDS = [
    ['Sagemaker HTTPService', '--allow-sagemaker=true', '/invocations', '/ping'],
    ['Vertex AI HTTPService', '--allow-vertex-ai=true', '/predict', '/health'],
  ] as const;
  for (const [service, flag, path, health] of CLOUDS) {
    it(`come with ${path}, errors included`, async () => {
      using repository = new TempRepository();
      await repository.addIdentity('m');
      const cloud = await startCloud(
        'nereid',
        [service, 'HTTPService', 'Metrics Service'],
        [`--model-repository=${repository.path}`, '--orca-load-metrics=asked', flag],
        {
          SAGEMAKER_TRITON_DEFAULT_MODEL_NAME: 'm',
          AIP_PREDICT_ROUTE: '/predict',
          AIP_HEALTH_ROUTE: '/health',
        },
      );
      await using _ = cloud.server;
      for (const [body, status] of [
        [BODY, 200],
        ['{}', 400],
      ] as const) {
        const answer = await ask(cloud.at(service), path, 'json', body, 'POST');
        assert.equal(answer.status, status);
        assertReport(answer.report);
        const unasked = await ask(cloud.at(service), path, undefined, body, 'POST');
        assert.equal(unasked.report, undefined);
      }
      assert.equal((await ask(cloud.at(service), health, 'json')).report, undefined);
    });
  }
});

describe('reports of load', () => {
  for (const executable of ['tritonserver', 'nereid'] as const) {
    it(`are off under ${executable}`, async () => {
      using repository = new TempRepository();
      await repository.addIdentity('m');
      const server = await startNereid({
        executable,
        args: [`--model-repository=${repository.path}`],
      });
      await using _ = server;
      assert.equal((await ask(server.endpoints.http, INFER, 'text')).report, undefined);
    });
  }
});
