// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTls } from 'node:tls';
import type { Program } from '../../../src/config/flags/flag.ts';
import { type ParsedOptions, parseOptions } from '../../../src/config/options.ts';
import { TestAuthority } from '../../support/certificates.ts';
import { GrpcClient } from '../../support/grpc-client.ts';
import { askHttp, type HttpAnswer, inferBody } from '../../support/http-client.ts';
import type { startNereid } from '../../support/nereid.ts';
import { until } from '../../support/until.ts';

export type Running = Awaited<ReturnType<typeof startNereid>>;

/** One server under one of the names. */
export interface Subject {
  readonly program: Program;
  readonly server: Running;
  /** what the server was started with beyond its models */
  readonly args: readonly string[];
  /** a folder for files of the probe */
  readonly folder: string;
}

/**
 * One row of the table in docs/compat.md. `ask` gives back the words of the row's cell, or what it found instead.
 * A new row needs its probe here; nothing else.
 */
export interface Probe {
  ask(subject: Subject): Promise<string>;
  /** the option, and what is found with it; absent where there is none, or where only the addresses would change */
  readonly switched?: {
    args(program: Program, folder: string): readonly string[];
    /** the same cell under both names, or one that depends on the name */
    finds(program: Program): string;
    /** other probes could not ask this server */
    readonly alone?: true;
  };
}

const other = (program: Program): Program => (program === 'nereid' ? 'tritonserver' : 'nereid');

/** A row that has one value under each name; the option gives it the other's. */
function either(
  args: Readonly<Record<Program, string>>,
  cells: Readonly<Record<Program, string>>,
  ask: Probe['ask'],
): Probe {
  return {
    ask,
    switched: {
      args: (program) => [args[other(program)]],
      finds: (program) => cells[other(program)],
    },
  };
}

/** A row that is off under both names, and on with the option. */
function optional(
  args: (folder: string) => readonly string[],
  isOn: (subject: Subject) => Promise<boolean>,
  alone?: true,
): Probe {
  return {
    ask: async (subject) => ((await isOn(subject)) ? 'on' : 'off'),
    switched: {
      args: (_, folder) => args(folder),
      finds: () => 'on',
      ...(alone === undefined ? {} : { alone }),
    },
  };
}

const get = (at: string, path: string, headers = {}): Promise<HttpAnswer> =>
  askHttp(at, 'GET', path, { headers });

const infer = (
  { server }: Subject,
  model = 'm',
  headers: Record<string, string> = {},
): Promise<HttpAnswer> =>
  askHttp(server.endpoints.http, 'POST', `/v2/models/${model}/infer`, {
    headers,
    body: inferBody(),
  });

function optionsOf({ program, args }: Subject): ParsedOptions & { readonly kind: 'options' } {
  const parsed = parseOptions(program, args, {});
  assert.equal(parsed.kind, 'options');
  return parsed as ParsedOptions & { readonly kind: 'options' };
}

/** Whether a port answers HTTP/2 without asking first. */
function speaksHttp2(at: string): Promise<boolean> {
  return new Promise((resolve) => {
    const session = connectHttp2(`http://${at}`);
    session.on('error', () => resolve(false));
    const stream = session.request({ ':path': '/v2/health/live' });
    stream.on('response', () => {
      resolve(true);
      session.close();
    });
    stream.on('error', () => resolve(false));
    stream.resume();
    stream.end();
  });
}

async function speaksHttp1(at: string): Promise<boolean> {
  try {
    return (await get(at, '/v2/health/live')).status === 200;
  } catch {
    return false;
  }
}

function speaksTls(at: string): Promise<boolean> {
  const { hostname, port } = new URL(`http://${at}`);
  return new Promise((resolve) => {
    const socket = connectTls(
      { host: hostname, port: Number(port), rejectUnauthorized: false },
      () => {
        resolve(true);
        socket.destroy();
      },
    );
    socket.on('error', () => resolve(false));
  });
}

const writeKeys = (folder: string): string => {
  const path = `${folder}/keys`;
  writeFileSync(path, '{"key":"a-key-of-some-length","scopes":["infer"]}\n');
  return path;
};

const ORIGIN = 'https://app.example';

export const probes: Readonly<Record<string, Probe>> = {
  addresses: {
    async ask(subject) {
      const { options } = optionsOf(subject);
      const all = [
        options.httpAddress,
        options.grpcAddress,
        options.metricsAddress || options.httpAddress,
        options.sagemakerAddress,
        options.vertexAiAddress,
      ];
      return [...new Set(all)].join(' and ');
    },
  },

  protocols: either(
    { tritonserver: '--single-protocol-ports=true', nereid: '--single-protocol-ports=false' },
    { tritonserver: 'one protocol each', nereid: 'both on each' },
    async ({ server: { endpoints } }) => {
      assert.ok(await speaksHttp1(endpoints.http));
      using grpc = new GrpcClient(endpoints.grpc);
      assert.equal((await grpc.call('ServerLive')).code, 'OK');
      const more = [await speaksHttp2(endpoints.http), await speaksHttp1(endpoints.grpc)];
      return more.every(Boolean)
        ? 'both on each'
        : more.some(Boolean)
          ? 'mixed'
          : 'one protocol each';
    },
  ),

  'queue-size': either(
    { tritonserver: '--max-queue-size=0', nereid: '--max-queue-size=1024' },
    { tritonserver: 'no limit', nereid: '1024' },
    async (subject) => {
      const { maxQueueSize } = optionsOf(subject).options;
      return maxQueueSize === 0 ? 'no limit' : String(maxQueueSize);
    },
  ),

  'queue-bytes': either(
    { tritonserver: '--max-queue-bytes=0', nereid: '--max-queue-bytes=268435456' },
    { tritonserver: 'no limit', nereid: '268435456' },
    async (subject) => {
      const { maxQueueBytes } = optionsOf(subject).options;
      return maxQueueBytes === 0 ? 'no limit' : String(maxQueueBytes);
    },
  ),

  admission: either(
    { tritonserver: '--admission=off', nereid: '--admission=predicted-wait' },
    { tritonserver: 'waits until its time is over', nereid: 'refused at once' },
    async (subject) =>
      optionsOf(subject).options.admission === 'off'
        ? 'waits until its time is over'
        : 'refused at once',
  ),

  'queue-full': either(
    { tritonserver: '--queue-full-status=unavailable', nereid: '--queue-full-status=exhausted' },
    { tritonserver: '503, UNAVAILABLE', nereid: '429 with Retry-After, RESOURCE_EXHAUSTED' },
    async (subject) => {
      // `full` takes one request into its queue while its gate is closed; the next ones find it full.
      const { endpoints } = subject.server;
      const control = (body: string): Promise<HttpAnswer> =>
        askHttp(endpoints.http, 'POST', '/v2/test/full', { body });
      const waiting = [infer(subject, 'full')];
      await until(
        async () => (JSON.parse((await control('{}')).body) as { waiting: number }).waiting > 0,
      );
      let refused: HttpAnswer | undefined;
      while (refused === undefined) {
        const next = infer(subject, 'full');
        waiting.push(next);
        const first = await Promise.race([next, new Promise((resolve) => setTimeout(resolve, 20))]);
        if (first !== undefined) refused = await next;
      }
      using grpc = new GrpcClient(endpoints.grpc);
      const { code } = await grpc.call('ModelInfer', {
        model_name: 'full',
        inputs: [{ name: 'IN', shape: [1, 1], datatype: 'INT32', contents: { int_contents: [1] } }],
      });
      await control('{"action":"open"}');
      await Promise.all(waiting);
      await control('{"action":"close"}');
      const hint = refused.headers['retry-after'] === undefined ? '' : ' with Retry-After';
      return `${refused.status}${hint}, ${code}`;
    },
  ),

  deadlines: either(
    { tritonserver: '--http-request-deadlines=false', nereid: '--http-request-deadlines=true' },
    { tritonserver: 'ignored', nereid: 'followed' },
    async (subject) => {
      const found = await Promise.all(
        [
          { 'x-request-timeout-ms': '0' },
          { 'grpc-timeout': '0m' },
          { 'x-envoy-expected-rq-timeout-ms': '0' },
        ].map(
          async (headers) => (await infer(subject, 'm', headers as Record<string, string>)).status,
        ),
      );
      if (found.every((status) => status === 504)) return 'followed';
      return found.every((status) => status === 200) ? 'ignored' : found.join();
    },
  ),

  'json-fp16': either(
    { tritonserver: '--json-fp16=false', nereid: '--json-fp16=true' },
    { tritonserver: 'refused', nereid: 'taken' },
    async ({ server }) => {
      const body = JSON.stringify({
        inputs: [{ name: 'IN', shape: [1, 1], datatype: 'FP16', data: [1.5] }],
      });
      const answer = await askHttp(server.endpoints.http, 'POST', '/v2/models/half/infer', {
        body,
      });
      if (answer.status === 400) return 'refused';
      const { outputs } = JSON.parse(answer.body) as { outputs: { data: number[] }[] };
      return outputs[0]?.data[0] === 1.5 ? 'taken' : answer.body;
    },
  ),

  'model-properties': either(
    { tritonserver: '--model-properties=false', nereid: '--model-properties=true' },
    { tritonserver: 'none', nereid: 'backend, max_batch_size, decoupled' },
    async ({ server }) => {
      const { body } = await get(server.endpoints.http, '/v2/models/m');
      const { properties } = JSON.parse(body) as { properties?: object };
      return properties === undefined ? 'none' : Object.keys(properties).join(', ');
    },
  ),

  'extended-metrics': either(
    { tritonserver: '--extended-metrics=false', nereid: '--extended-metrics=true' },
    { tritonserver: 'none', nereid: 'there' },
    async ({ server }) => {
      const { body } = await get(server.endpoints.metrics, '/metrics');
      const families = [...body.matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name);
      assert.ok(families.some((name) => name.startsWith('nv_')));
      return families.some((name) => !name.startsWith('nv_')) ? 'there' : 'none';
    },
  ),

  'api-docs': either(
    { tritonserver: '--api-docs=false', nereid: '--api-docs=true' },
    { tritonserver: '404', nereid: 'served' },
    async ({ server }) => {
      const found = await Promise.all(
        ['/v2/docs', '/v2/docs/openapi.json', '/v2/models/m/docs'].map(
          async (path) => (await get(server.endpoints.http, path)).status,
        ),
      );
      return found.every((status) => status === 200) ? 'served' : [...new Set(found)].join();
    },
  ),

  'tuning-api': either(
    { tritonserver: '--tuning-api=false', nereid: '--tuning-api=true' },
    { tritonserver: '404', nereid: 'served' },
    async ({ server }) => {
      const { status, body } = await get(server.endpoints.http, '/v2/models/m/batching');
      return status === 200 && JSON.parse(body).model_name === 'm' ? 'served' : String(status);
    },
  ),

  'diagnostics-api': either(
    { tritonserver: '--diagnostics-api=false', nereid: '--diagnostics-api=true' },
    { tritonserver: '404', nereid: 'served' },
    async ({ server }) => {
      const found = await Promise.all(
        ['/v2/health/details', '/v2/memory'].map(
          async (path) => (await get(server.endpoints.http, path)).status,
        ),
      );
      return found.every((status) => status === 200) ? 'served' : [...new Set(found)].join();
    },
  ),

  'readiness-policy': either(
    { tritonserver: '--readiness-policy=known', nereid: '--readiness-policy=all' },
    { tritonserver: 'known', nereid: 'all' },
    async (subject) => optionsOf(subject).options.readinessPolicy.kind,
  ),

  'server-name': {
    async ask({ server }) {
      const { body } = await get(server.endpoints.http, '/v2');
      const { name, version } = JSON.parse(body) as { name: string; version: string };
      const own = JSON.parse(
        readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
      );
      return `${name}, ${version === (own as { version: string }).version ? "the package's" : version}`;
    },
    switched: {
      args: () => ['--id=somebody'],
      finds: (program) => (program === 'nereid' ? "somebody, the package's" : 'somebody, 2.73.0'),
    },
  },

  setup: either(
    { tritonserver: '--setup=never', nereid: '--setup=ask' },
    { tritonserver: 'never', nereid: 'ask' },
    async (subject) => optionsOf(subject).options.setup,
  ),

  numbers: {
    async ask({ program }) {
      return parseOptions(program, ['--http-port=80x'], {}).kind === 'error'
        ? 'refused'
        : 'passed over';
    },
  },

  repository: {
    async ask({ program }) {
      const { serve } = await import('../../../src/cli/serve.ts');
      // Under `nereid` the start would go on: the folder of examples is found, so that nothing has to be named.
      if (program === 'nereid') {
        const { withRepository } = await import('../../../src/cli/serve.ts');
        const { defaultOptions } = await import('../../../src/config/options.ts');
        const { modelRepositories } = withRepository(program, defaultOptions(program));
        return modelRepositories.length > 0 ? 'need not be named' : 'must be named';
      }
      return (await serve(program, [])) === 1 ? 'must be named' : 'need not be named';
    },
  },

  https: optional(
    (folder) => {
      using authority = new TestAuthority('authority');
      const { certificate, key } = authority.issue('server');
      writeFileSync(`${folder}/crt`, readFileSync(certificate));
      writeFileSync(`${folder}/key`, readFileSync(key));
      return [`--https-cert=${folder}/crt`, `--https-key=${folder}/key`];
    },
    ({ server }) => speaksTls(server.endpoints.http),
    true,
  ),

  'api-keys': optional(
    (folder) => [`--api-keys-file=${writeKeys(folder)}`],
    async (subject) => (await infer(subject)).status === 401,
    true,
  ),

  tokens: optional(
    (folder) => {
      writeFileSync(`${folder}/jwks`, '{"keys":[]}');
      return [`--jwt-jwks-file=${folder}/jwks`];
    },
    async (subject) =>
      (await infer(subject, 'm', { authorization: 'Bearer a.b.c' })).status === 401,
    true,
  ),

  management: optional(
    () => ['--management-port=0'],
    async ({ server }) =>
      (await askHttp(server.endpoints.http, 'POST', '/v2/repository/index')).status === 403,
    true,
  ),

  cors: optional(
    () => [`--cors-origins=${ORIGIN}`],
    async ({ server }) => {
      const { headers } = await get(server.endpoints.http, '/v2', { origin: ORIGIN });
      return headers['access-control-allow-origin'] === ORIGIN;
    },
  ),

  'access-log': optional(
    () => ['--access-log=-'],
    async (subject) => {
      const id = `asked-${subject.program}`;
      await get(subject.server.endpoints.http, `/v2/models/${id}`);
      const isLogged = (): boolean => subject.server.log.includes(`/v2/models/${id}"`);
      // Off leaves nothing to wait for.
      if (subject.args.includes('--access-log=-')) await until(isLogged);
      return isLogged();
    },
  ),

  // test/e2e/stop.test.ts ends a server that has it.
  'drain-delay': optional(
    () => ['--drain-delay-secs=1'],
    async (subject) => optionsOf(subject).options.drainDelaySecs > 0,
  ),

  'server-timing': optional(
    () => ['--server-timing'],
    async (subject) => (await infer(subject)).headers['server-timing'] !== undefined,
  ),

  'load-reports': optional(
    () => ['--orca-load-metrics=text'],
    async (subject) => (await infer(subject)).headers['endpoint-load-metrics'] !== undefined,
  ),
};
