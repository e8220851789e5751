// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, it } from 'node:test';
import { addonError, fakeBinding } from '../../test/support/fake-engine.ts';
import { FakeServer } from '../../test/support/fake-server.ts';
import { TempRepository } from '../../test/support/temp-repository.ts';
import { Log } from '../base/log.ts';
import { defaultOptions } from '../config/options.ts';
import type { ServerOptions } from '../config/server-options.ts';
import { BackendSetup } from './backends.ts';
import { defaultMemoryLimit } from './memory-limit.ts';
import { Server } from './server.ts';
import { enabledServices } from './services.ts';

const quiet = new Log(undefined, () => undefined);

describe('Server', () => {
  it('ends in order: not ready, no new connection, drain, unload, end', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    const { server, engine } = new FakeServer(repository.path);
    await server.start('*');
    engine.events.length = 0;
    assert.equal(await server.close(1000), true);
    assert.deepEqual(engine.events, [
      'publish ready=false',
      'stopListening',
      'drain',
      'publish ready=false',
      'unload 1',
      'close',
    ]);
    assert.equal(await server.close(1000), true);
    assert.equal(engine.events.filter((event) => event === 'close').length, 1);
  });

  it('does not wait for requests that outlast the exit timeout', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    const { server, engine } = new FakeServer(repository.path);
    await server.start('*');
    engine.drains = false;
    assert.equal(await server.close(1), false);
    assert.equal(engine.events.at(-1), 'close');
    assert.equal(engine.events.includes('unload 1'), false);
  });

  it('opens the ports that are on, with the protocols of its name', () => {
    const options = defaultOptions('tritonserver');
    assert.deepEqual(enabledServices(options), ['grpc', 'http', 'metrics']);
    assert.deepEqual(enabledServices({ ...options, allowGrpc: false, allowMetrics: false }), [
      'http',
    ]);
  });

  it('names flag and port when a port is taken, and not when something else is wrong', async () => {
    using repository = new TempRepository();
    await using fake = new FakeServer(repository.path);
    fake.engine.listenError = addonError(14, 'bind: EADDRINUSE');
    assert.throws(() => fake.server.listenOn('http', { host: '::1', port: 8000 }), {
      code: 'Unavailable',
      message:
        'cannot listen on [::1]:8000 (--http-port): another program listens there; choose another with --http-port',
    });
    const message = "cannot open the access log '/no/x' (--access-log): No such file or directory";
    fake.engine.listenError = addonError(3, message);
    assert.throws(() => fake.server.listenOn('http', { host: '::1', port: 8000 }), { message });
  });

  it('hands the options of each name to the engine', () => {
    const make = (options: ServerOptions) => {
      const binding = fakeBinding();
      new Server({ binding, options, log: quiet });
      return binding.options;
    };
    const triton = make(defaultOptions('tritonserver'));
    assert.equal(triton?.jsonHealthBodies, true);
    assert.equal(triton?.httpMaxInputBytes, 67_108_864);
    assert.ok((triton?.memoryLimitBytes ?? 0) > 0);
    assert.equal(triton?.metrics.extended, false);
    const nereid = make({ ...defaultOptions('nereid'), memoryLimitBytes: 1_000_000 });
    assert.equal(nereid?.jsonHealthBodies, true);
    assert.equal(nereid?.memoryLimitBytes, 1_000_000);
    assert.equal(nereid?.metrics.extended, true);
  });

  it('renders metrics before the page can be asked for', async () => {
    using repository = new TempRepository();
    await using fake = new FakeServer(repository.path, {
      allowMetrics: true,
      extendedMetrics: true,
    });
    await fake.server.start([]);
    assert.match(fake.engine.metricsText, /^process_cpu_user_seconds_total /m);
    assert.match(fake.engine.metricsText, /^nodejs_eventloop_lag_seconds /m);
    assert.doesNotMatch(fake.engine.metricsText, /^nv_/m);
  });

  it('adds nothing to a page of Triton’s families', async () => {
    using repository = new TempRepository();
    await using fake = new FakeServer(repository.path, {
      allowMetrics: true,
      extendedMetrics: false,
    });
    await fake.server.start([]);
    assert.equal(fake.engine.metricsText, '');
  });
});

describe('defaultMemoryLimit', () => {
  const GIB = 1024 ** 3;
  const limit = (files: Record<string, string>): number =>
    defaultMemoryLimit((path) => files[path], 8 * GIB);

  it('is half of the smallest limit that holds', () => {
    assert.equal(limit({}), 4 * GIB);
    assert.equal(limit({ '/sys/fs/cgroup/memory.max': `${2 * GIB}\n` }), GIB);
    assert.equal(limit({ '/sys/fs/cgroup/memory.max': 'max\n' }), 4 * GIB);
    const v1 = '/sys/fs/cgroup/memory/memory.limit_in_bytes';
    assert.equal(limit({ [v1]: '9223372036854771712\n' }), 4 * GIB);
    assert.equal(limit({ [v1]: `${GIB}` }), GIB / 2);
  });

  it('holds one request of the default limit even in a tiny container', () => {
    assert.equal(limit({ '/sys/fs/cgroup/memory.max': '1000' }), 128 * 1024 * 1024);
  });
});

describe('BackendSetup', () => {
  const missing = '/nonexistent/libonnxruntime.so';

  it('needs nothing for backends without a library', async () => {
    const setup = new BackendSetup(
      { onnxRuntimeLibrary: missing, setup: 'never' },
      quiet,
      undefined,
    );
    await setup.ensure('identity');
  });

  it('names the remedy where it must not fetch', async () => {
    const setup = new BackendSetup(
      { onnxRuntimeLibrary: missing, setup: 'auto' },
      quiet,
      undefined,
    );
    assert.equal(existsSync(setup.libraryPath), false);
    await assert.rejects(setup.ensure('onnxruntime'), {
      code: 'Unavailable',
      message:
        'ONNX Runtime, which this model needs, is not installed: run `nereid setup onnxruntime`, or name a library with --onnxruntime-library=PATH',
    });
  });
});
