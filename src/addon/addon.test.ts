// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { makePlan } from '../../test/support/infer-plan.ts';
import { addonCandidates, loadBinding } from './binding.ts';
import type { EngineOptions } from './engine-options.ts';
import type { ModelPlan } from './model-plan.ts';
import type { Binding, Engine } from './types.ts';

// Complete by the type checker: a verb added to types.ts must be named here.
const ENGINE: Record<keyof Engine, true> = {
  inspect: true,
  load: true,
  unload: true,
  adjust: true,
  publish: true,
  setPolicy: true,
  setTracing: true,
  traceCounts: true,
  takeTraces: true,
  setLog: true,
  setAliases: true,
  listen: true,
  checkTls: true,
  renewTls: true,
  stopListening: true,
  drain: true,
  onControl: true,
  replyHttp: true,
  replyGrpc: true,
  onTokens: true,
  replyToken: true,
  onDemand: true,
  infer: true,
  cancel: true,
  registerSystemRegion: true,
  registerCudaRegion: true,
  unregisterRegions: true,
  regions: true,
  openRegion: true,
  snapshot: true,
  batching: true,
  setMetricsText: true,
  setHealthDetails: true,
  memory: true,
  trimMemory: true,
  testControl: true,
  log: true,
  close: true,
};
const BINDING: Record<keyof Binding, true> = {
  version: true,
  createEngine: true,
  exitAtOnce: true,
  routes: true,
};

const OPTIONS: EngineOptions = {
  program: 'nereid',
  ioThreads: 1,
  inferPath: 'native',
  inlineExecution: 'auto',
  enableTestBackends: false,
  onnxRuntimeLibrary: '',
  resourceLimits: [],
  memoryLimitBytes: 64 * 1024 * 1024,
  httpMaxInputBytes: 1024 * 1024,
  grpcMaxResponsePoolSize: 2 ** 31 - 1,
  grpcInferResponseCompressionLevel: 'none',
  keepHeaderNames: true,
  maxHeaderBytes: 16 * 1024,
  idleTimeoutMs: 10_000,
  headTimeoutMs: 100,
  bodyTimeoutMs: 10_000,
  minBodyBytesPerSecond: 1,
  maxConnections: 16,
  maxStreamsPerConnection: 16,
  allowClientShm: false,
  controlTimeoutMs: 10_000,
  diagnosticsApi: true,
  jsonHealthBodies: true,
  metrics: {
    counterLatencies: true,
    histogramLatencies: false,
    summaryLatencies: false,
    summaryQuantiles: [],
    extended: false,
    cpu: true,
    hostIntervalMs: 0,
    pinnedMemoryPoolBytes: 0,
  },
  real16Json: false,
  logVerbose: 0,
  logInfo: false,
  logWarning: false,
  logError: false,
  logFormat: 'default',
  logFile: '',
  accessLog: '',
  accessLogEvery: 1,
  serverTiming: false,
  orcaLoadMetrics: 'off',
};

const PLAN = makePlan();

describe('the surface of the addon', () => {
  const engine = loadBinding().createEngine(OPTIONS);

  after(() => engine.close());

  it('is what types.ts says', () => {
    assert.deepEqual(Object.keys(loadBinding()).sort(), Object.keys(BINDING).sort());
    const verbs = Object.getOwnPropertyNames(Object.getPrototypeOf(engine));
    assert.deepEqual(
      verbs.filter((name) => name !== 'constructor').sort(),
      Object.keys(ENGINE).sort(),
    );
  });

  it('is found where the build puts it, or where the environment says', () => {
    assert.deepEqual(addonCandidates({ NEREID_ADDON: '/x/y.node' }), ['/x/y.node']);
    const [built, prebuilt] = addonCandidates({});
    assert.match(built ?? '', /\/dist-native\/nereid\.node$/);
    assert.match(prebuilt ?? '', /\/prebuilds\/linux-[^/]+\/nereid\.node$/);
  });
});

describe('misuse of the addon', () => {
  let engine: Engine;

  before(() => {
    engine = loadBinding().createEngine(OPTIONS);
  });

  after(() => engine.close());

  /** What a careless caller in JavaScript could pass. */
  const careless = [undefined, null, 0, '', [], {}, Symbol('x'), () => undefined, { name: 5 }];

  it('is refused where a parameter is none', async () => {
    const pairs = [undefined, 'a', {}, ['a'], [1, 'a'], ['a', null], ['a', {}], ['a', 2n ** 64n]];
    for (const pair of pairs) {
      const call = { model: 'm', inputs: [], outputs: [], parameters: [pair as never] };
      await assert.rejects(async () => engine.infer(call, 1), /call\.parameters: expected pairs/);
    }
  });

  it('is refused with an error and never ends the process', async () => {
    for (const value of careless) {
      const wrong = value as never;
      const label = String(value);
      assert.throws(() => loadBinding().createEngine(wrong), Error, `createEngine ${label}`);
      assert.throws(() => engine.listen(wrong), Error, `listen ${label}`);
      assert.throws(() => engine.checkTls(wrong), Error, `checkTls ${label}`);
      assert.throws(() => engine.renewTls(wrong, wrong), Error, `renewTls ${label}`);
      await assert.rejects(async () => engine.load(wrong), Error, `load ${label}`);
      await assert.rejects(async () => engine.publish(wrong), Error, `publish ${label}`);
      assert.throws(() => engine.setPolicy(wrong), Error, `setPolicy ${label}`);
      assert.throws(() => engine.setAliases(wrong), Error, `setAliases ${label}`);
      await assert.rejects(async () => engine.infer(wrong, 1), Error, `infer ${label}`);
    }
    for (const verb of [
      'unload',
      'cancel',
      'drain',
      'testControl',
      'inspect',
      'onControl',
      'onTokens',
      'replyToken',
    ] as const) {
      for (const value of careless) {
        const call = engine[verb] as (...args: readonly unknown[]) => unknown;
        // Whether a number is taken for a handle is the verb's own matter; that it returns is ours.
        await Promise.resolve()
          .then(() => (verb === 'drain' ? undefined : call.call(engine, value)))
          .catch(() => undefined);
      }
    }
    engine.replyHttp(12_345, { status: 200, headers: [], body: '' });
    engine.replyGrpc(12_345, { code: 0, message: '', body: new Uint8Array(0) });
  });

  it('names what is wrong with a plan', async () => {
    const wrong: [object, RegExp][] = [
      [{ backend: 'nobody' }, /unable to find backend library for backend 'nobody'/],
      [{ instanceCount: 0 }, /instanceCount/],
      [{ inputs: 'x' }, /inputs/],
      [{ inputs: [{ ...PLAN.inputs[0], datatype: 'FP8' }] }, /FP8/],
      [{ maxBatchSize: 'many' }, /maxBatchSize/],
    ];
    for (const [change, message] of wrong) {
      await assert.rejects(engine.load({ ...PLAN, ...change } as ModelPlan), { code: 3, message });
    }
  });

  it('is refused after close', async () => {
    const closed = loadBinding().createEngine(OPTIONS);
    await closed.close();
    await closed.close();
    await assert.rejects(async () => closed.load(PLAN), { code: 14 });
    assert.throws(() => closed.snapshot(), { code: 14 });
  });
});

describe('a head that does not end', () => {
  it('is waited for as long as the options say', async () => {
    const engine = loadBinding().createEngine(OPTIONS);
    const { port } = engine.listen({
      host: '127.0.0.1',
      port: 0,
      service: 'http',
      protocols: ['http1', 'http2'],
      reusePort: false,
    });
    const http1 = connect(port, '127.0.0.1');
    http1.write('GET /v2/health/live HTTP/1.1\r\nX: ');
    assert.match(Buffer.concat(await http1.toArray()).toString(), /^HTTP\/1\.1 408 /);
    const http2 = connect(port, '127.0.0.1');
    http2.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04');
    assert.match(Buffer.concat(await http2.toArray()).toString(), /did not come in time$/);
    await engine.close();
  });
});

describe('an environment that ends', () => {
  const program = `
    import { loadBinding } from ${JSON.stringify(new URL('./binding.ts', import.meta.url).href)};
    const engine = loadBinding().createEngine(${JSON.stringify(OPTIONS)});
    await engine.load(${JSON.stringify(PLAN)});
  `;

  it('stops the threads of an engine that nobody closed', async () => {
    await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
      timeout: 60_000,
    });
  });

  it('may be a worker', async () => {
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`));
    const code = await new Promise((resolve, reject) => {
      worker.once('exit', resolve);
      worker.once('error', reject);
    });
    assert.equal(code, 0);
    const engine = loadBinding().createEngine(OPTIONS);
    await engine.unload(await engine.load(PLAN));
    await engine.close();
  });
});
