// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeServer } from '../../test/support/fake-server.ts';
import { TempRepository } from '../../test/support/temp-repository.ts';
import type { ServerOptions } from '../config/server-options.ts';

/** A SageMaker port over the fake engine, with a folder that stands for the platform's. */
class Endpoint implements AsyncDisposable {
  readonly repository = new TempRepository();
  readonly archives = new TempRepository();
  readonly server: FakeServer;

  constructor(options: Partial<ServerOptions> = {}) {
    this.server = new FakeServer(this.repository.path, {
      allowSagemaker: true,
      sagemakerModelRoot: this.archives.path,
      ...options,
    });
  }

  async ask(method: string, path: string, body = '', target?: string): Promise<[number, string]> {
    const headers = target === undefined ? [] : ['x-amzn-sagemaker-target-model', target];
    const reply = await this.server.http(method, path, body, 'sagemaker', headers);
    assert.deepEqual(reply.headers, ['content-type', 'text/plain']);
    return [reply.status, String(reply.body)];
  }

  load(name: string, url = `${this.archives.path}/${name}/model`, target?: string) {
    return this.ask('POST', '/models', JSON.stringify({ model_name: name, url }), target);
  }

  get loaded(): readonly string[] | undefined {
    return this.server.engine.aliases.at(-1)?.loaded;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    this.repository[Symbol.dispose]();
    this.archives[Symbol.dispose]();
  }
}

describe('models of the SageMaker port', () => {
  it('are loaded, listed and unloaded', async () => {
    await using endpoint = new Endpoint();
    await endpoint.archives.addIdentity('abc/model/anything');
    assert.deepEqual(await endpoint.ask('GET', '/models'), [200, '{"models":[]}']);
    assert.deepEqual(await endpoint.load('abc'), [200, '']);
    const url = `${endpoint.archives.path}/abc/model`;
    const row = `{"modelName":"abc","modelUrl":"${url}"}`;
    assert.deepEqual(await endpoint.ask('GET', '/models/'), [200, `{"models":[${row}]}`]);
    assert.deepEqual(await endpoint.ask('GET', '/models/abc'), [200, row]);
    assert.deepEqual(endpoint.loaded, ['abc']);
    assert.equal(endpoint.server.server.lifecycle.find('abc').config.name, 'abc');
    assert.deepEqual(await endpoint.ask('DELETE', '/models/abc'), [200, '']);
    assert.deepEqual(endpoint.loaded, []);
    assert.deepEqual(endpoint.server.server.lifecycle.served('abc'), []);
    assert.equal(endpoint.server.engine.plans.size, 0);
    assert.deepEqual(await endpoint.ask('DELETE', '/models/abc'), [404, '']);
    assert.deepEqual(await endpoint.ask('GET', '/models/abc'), [404, '']);
    assert.deepEqual(await endpoint.load('abc'), [200, '']);
  });

  it('have the name of the target model when a header gives one', async () => {
    await using endpoint = new Endpoint();
    await endpoint.archives.write(
      'abc/model/config.pbtxt',
      'name: "written" backend: "identity"\n',
    );
    await endpoint.archives.write('abc/model/1/x', '');
    const root = endpoint.archives.path;
    assert.deepEqual(await endpoint.load('abc', `${root}/abc/model`, 'm.tar.gz'), [200, '']);
    assert.equal(endpoint.server.server.lifecycle.find('m.tar.gz').config.name, 'm.tar.gz');
    assert.deepEqual(await endpoint.ask('GET', '/models/abc'), [
      200,
      `{"modelName":"abc","modelUrl":"${root}/abc"}`,
    ]);
    // The platform may leave the header out.
    assert.deepEqual(await endpoint.ask('DELETE', '/models/abc'), [200, '']);
    assert.deepEqual(endpoint.server.server.lifecycle.served('m.tar.gz'), []);
  });

  it('are refused when folder or name is in use', async () => {
    await using endpoint = new Endpoint();
    await endpoint.repository.addIdentity('taken');
    await endpoint.archives.addIdentity('abc/model/m');
    await endpoint.archives.addIdentity('taken/model/m');
    await endpoint.load('abc');
    const at = endpoint.archives.path;
    assert.deepEqual(await endpoint.load('abc'), [
      409,
      `{"error":"model repository '${at}/abc/model' has already been registered"}`,
    ]);
    assert.deepEqual(await endpoint.load('taken'), [
      409,
      `{"error":"failed to register '${at}/taken/model', there is a conflicting mapping for 'taken'"}`,
    ]);
    assert.deepEqual(endpoint.loaded, ['abc']);
  });

  it('come from the folder of the platform alone', async () => {
    await using endpoint = new Endpoint();
    await endpoint.archives.addIdentity('abc/model/m');
    await endpoint.archives.addIdentity('abc/other/m');
    const root = endpoint.archives.path;
    for (const url of [
      '/etc',
      `${root}/abc`,
      `${root}/abc/other`,
      `${root}/abc/model/m/1`,
      `${root}/abc/model/../../../..`,
      `${root}x/abc/model`,
      'abc/model',
      'file:///etc',
    ]) {
      const [status, text] = await endpoint.load('abc', url);
      assert.equal(status, 400, url);
      assert.match(text, /expected .*<hash>\/model or a folder directly in it/, url);
    }
    assert.deepEqual(await endpoint.load('abc', ''), [
      400,
      `{"error":"failed to register '', repository not found"}`,
    ]);
    assert.deepEqual(await endpoint.load('nope'), [
      400,
      `{"error":"failed to register '${root}/nope/model', repository not found"}`,
    ]);
    assert.deepEqual(await endpoint.load('abc', `${root}/abc/./model/`), [200, '']);
  });

  it('leave nothing behind when they fail to load, and 507 when memory was short', async () => {
    await using endpoint = new Endpoint();
    await endpoint.archives.addIdentity('abc/model/m');
    endpoint.server.engine.loadErrors.set('abc:1', new Error('CUDA out of memory'));
    const [status, text] = await endpoint.load('abc');
    assert.equal(status, 507);
    assert.match(text, /out of memory/);
    endpoint.server.engine.loadErrors.set('abc:1', new Error('no luck'));
    assert.equal((await endpoint.load('abc'))[0], 400);
    endpoint.server.engine.loadErrors.clear();
    assert.deepEqual(await endpoint.load('abc'), [200, '']);
  });

  it('need the explicit mode and a proper request', async () => {
    await using endpoint = new Endpoint({ modelControlMode: 'none' });
    await endpoint.archives.addIdentity('abc/model/m');
    assert.deepEqual(await endpoint.load('abc'), [
      400,
      '{"error":"repository registration is not allowed if model control mode is not EXPLICIT"}',
    ]);
    for (const body of ['{', '[]', '{"model_name":5}']) {
      assert.equal((await endpoint.ask('POST', '/models', body))[0], 400, body);
    }
    await using explicit = new Endpoint();
    await explicit.archives.addIdentity('abc/model/m');
    const url = `${explicit.archives.path}/abc/model`;
    const [status, text] = await explicit.load('../x', url);
    assert.equal(status, 400);
    assert.match(text, /path traversal/);
  });

  it('need one model or an ensemble in a folder', async () => {
    await using endpoint = new Endpoint();
    await endpoint.archives.addIdentity('two/model/a');
    await endpoint.archives.addIdentity('two/model/b');
    const [status, text] = await endpoint.load('two');
    assert.equal(status, 400);
    assert.match(text, /expected one model or an ensemble, got 2 models/);
    await endpoint.archives.write('none/model/file', '');
    assert.deepEqual(await endpoint.load('none'), [
      400,
      `{"error":"failed to load 'none', failed to poll from model repository"}`,
    ]);
  });
});
