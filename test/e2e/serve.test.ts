// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { askHttp } from '../support/http-client.ts';
import { projectRoot, startNereid } from '../support/nereid.ts';
import { type Endpoints, ServerProcess } from '../support/server-process.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { testDoor } from '../support/test-door.ts';
import { until } from '../support/until.ts';

const EXAMPLES = `${projectRoot}model_repository`;

/** A gate that holds every execution until it is opened. */

type Executable = 'tritonserver' | 'nereid';

/** Starts a server on free ports that is expected to end by itself. */
async function runToEnd(
  executable: Executable,
  args: readonly string[],
): Promise<{ code: number | null; log: string }> {
  const server = ServerProcess.launch({
    name: executable,
    command: process.execPath,
    args: [
      `${projectRoot}bin/${executable}`,
      ...(executable === 'nereid' ? ['serve'] : []),
      '--http-address=127.0.0.1',
      '--grpc-address=127.0.0.1',
      '--http-port=0',
      '--grpc-port=0',
      '--metrics-port=0',
      ...args,
    ],
  });
  const { code } = await server.exited;
  return { code, log: server.log };
}

async function get(at: string, path: string): Promise<{ status: number; body: string }> {
  const response = await fetch(`http://${at}${path}`);
  return { status: response.status, body: await response.text() };
}

describe('nereid serve', () => {
  it('says what it serves, and a curl line that works when pasted', async () => {
    await using server = await startNereid({
      executable: 'nereid',
      args: [`--model-repository=${EXAMPLES}`],
    });
    await until(() => server.log.includes('Ctrl-C stops the server.'));
    assert.match(server.log, /^ {2}digits +version 1 +onnxruntime +image → probabilities, label$/m);
    assert.match(server.log, new RegExp(`^ {2}HTTP +http://${server.endpoints.http}$`, 'm'));
    assert.match(server.log, new RegExp(`^ {2}gRPC +${server.endpoints.grpc}$`, 'm'));
    const line = /^ {2}(curl .*)$/m.exec(server.log)?.[1];
    assert.ok(line);
    const { stdout } = await promisify(execFile)('sh', ['-c', line]);
    const answer = JSON.parse(stdout) as { outputs: { name: string; data: number[] }[] };
    assert.deepEqual(answer.outputs.find(({ name }) => name === 'label')?.data, [7]);
  });

  it('offers the REST API on the gRPC port too, unless ports speak one protocol', async () => {
    for (const single of [false, true]) {
      await using server = await startNereid({
        executable: 'nereid',
        args: [`--model-repository=${EXAMPLES}`, `--single-protocol-ports=${single}`],
      });
      const { status, body } = await get(server.endpoints.grpc, '/v2/health/live');
      assert.deepEqual(
        [status, body.includes('this port speaks')],
        single ? [400, true] : [200, false],
      );
    }
  });

  it('answers health with the JSON that the client of KServe reads', async () => {
    for (const executable of ['nereid', 'tritonserver'] as const) {
      await using server = await startNereid({
        executable,
        args: [`--model-repository=${EXAMPLES}`],
      });
      const { http } = server.endpoints;
      assert.deepEqual(await get(http, '/v2/health/live'), { status: 200, body: '{"live":true}' });
      assert.deepEqual(await get(http, '/v2/health/ready'), {
        status: 200,
        body: '{"ready":true}',
      });
    }
  });
});

describe('tritonserver', () => {
  it('has the metadata of Triton, and its empty health bodies where they are asked for', async () => {
    await using server = await startNereid({
      args: [`--model-repository=${EXAMPLES}`, '--json-health-bodies=false'],
    });
    const { http } = server.endpoints;
    assert.deepEqual(await get(http, '/v2/health/ready'), { status: 200, body: '' });
    const { name, version } = JSON.parse((await get(http, '/v2')).body) as Record<string, unknown>;
    assert.deepEqual([name, version], ['triton', '2.73.0']);
    assert.match(server.log, /^\| digits +\| 1 +\| READY +\|$/m);
  });

  it('ends with status 1 when a model fails at the start', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('good');
    await repository.write('bad/config.pbtxt', 'nonsense');
    const { code, log } = await runToEnd('tritonserver', [`--model-repository=${repository.path}`]);
    assert.equal(code, 1);
    assert.match(log, /^error: creating server: Internal - failed to load all models$/m);
    assert.match(log, /bad\/config\.pbtxt:1:1: /);
    assert.doesNotMatch(log, /Started/);
  });

  for (const [executable, ready] of [
    ['tritonserver', 200],
    ['nereid', 400],
  ] as const) {
    it(`serves the others when told so, and says ${ready} of its readiness as ${executable}`, async () => {
      using repository = new TempRepository();
      await repository.addIdentity('good');
      await repository.write('bad/config.pbtxt', 'nonsense');
      await using server = await startNereid({
        executable,
        args: [`--model-repository=${repository.path}`, '--exit-on-error=false'],
      });
      const { http } = server.endpoints;
      assert.equal((await get(http, '/v2/health/ready')).status, ready);
      assert.equal((await get(http, '/v2/health/live')).status, 200);
      assert.equal((await get(http, '/v2/models/good/ready')).status, 200);
    });
  }

  it('says in one sentence that the repository cannot be read', async () => {
    const { code, log } = await runToEnd('tritonserver', ['--model-repository=/nonexistent']);
    assert.equal(code, 1);
    assert.match(
      log,
      /^error: creating server: Internal - cannot read the model repository '\/nonexistent': expected a folder that this user may read, got ENOENT$/m,
    );
    assert.doesNotMatch(log, /\n {4}at /);
  });

  it('says in one sentence which port is taken', async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const address = holder.address();
    assert.ok(address !== null && typeof address === 'object');
    const { port } = address;
    const { code, log } = await runToEnd('tritonserver', [
      `--model-repository=${EXAMPLES}`,
      `--http-port=${port}`,
    ]);
    holder.close();
    assert.equal(code, 1);
    assert.ok(
      log.includes(
        `error: creating server: Unavailable - cannot listen on 127.0.0.1:${port} (--http-port): another program listens there; choose another with --http-port\n`,
      ),
      log,
    );
  });

  it('opens only the ports that are asked for', async () => {
    const server = ServerProcess.launch({
      name: 'tritonserver',
      command: process.execPath,
      args: [
        `${projectRoot}bin/tritonserver`,
        `--model-repository=${EXAMPLES}`,
        '--http-address=127.0.0.1',
        '--http-port=0',
        '--allow-grpc=false',
        '--allow-metrics=false',
      ],
    });
    await using _ = server;
    await until(() => server.hasExited || server.log.includes('Started HTTPService'));
    assert.doesNotMatch(server.log, /Started (GRPC|Metrics)/);
    assert.equal((await server.stop()).code, 0);
  });
});

describe('the end of a server', () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`is orderly after ${signal}`, async () => {
      await using server = await startNereid({ args: [`--model-repository=${EXAMPLES}`] });
      server.signal(signal);
      const { code } = await server.exited;
      assert.equal(code, 0);
      const number = signal === 'SIGTERM' ? 15 : 2;
      assert.match(server.log, new RegExp(`"Signal \\(${number}\\) received\\."`));
      assert.match(server.log, /"Waiting for in-flight requests to complete\."/);
    });
  }

  it('waits for requests in flight, whatever other signals come', async () => {
    using repository = new TempRepository();
    await repository.addGate('gate');
    await using server = await startNereid({
      args: [`--model-repository=${repository.path}`, '--enable-test-backends=true'],
    });
    const answer = infer(server.endpoints, 'gate');
    await testDoor(server.endpoints, 'gate', { action: 'await', waiting: 1 });
    server.signal('SIGTERM');
    await until(() => server.log.includes('Waiting for in-flight'));
    server.signal('SIGTERM');
    server.signal('SIGINT');
    // Over a connection that is open already: no new one is accepted.
    await testDoor(server.endpoints, 'gate', { action: 'open' });
    assert.equal((await answer).status, 200);
    assert.equal((await server.exited).code, 0);
  });

  it('does not wait for ever', async () => {
    using repository = new TempRepository();
    await repository.addGate('gate');
    await using server = await startNereid({
      args: [
        `--model-repository=${repository.path}`,
        '--enable-test-backends=true',
        '--exit-timeout-secs=0',
      ],
    });
    const answer = infer(server.endpoints, 'gate').catch((error: unknown) => error);
    await testDoor(server.endpoints, 'gate', { action: 'await', waiting: 1 });
    server.signal('SIGTERM');
    assert.equal((await server.exited).code, 1);
    assert.match(server.log, /Exit timeout expired/);
    await answer;
  });

  it('does not wait for ever for a load', async () => {
    using repository = new TempRepository();
    const warmup = `model_warmup { name: "w" batch_size: 1 inputs { key: "IN"
      value { data_type: TYPE_INT32 dims: [ 1 ] zero_data: true } } }`;
    await repository.addGate('gate', warmup);
    await using server = await startNereid({
      args: [
        `--model-repository=${repository.path}`,
        '--model-control-mode=explicit',
        '--enable-test-backends=true',
        '--exit-timeout-secs=0',
      ],
    });
    const { http } = server.endpoints;
    const load = askHttp(http, 'POST', '/v2/repository/models/gate/load').catch(() => undefined);
    await until(() => server.log.includes('loading: gate'));
    server.signal('SIGTERM');
    assert.equal((await server.exited).code, 1);
    assert.match(server.log, /Exit timeout expired/);
    await load;
  });
});

async function infer({ http }: Endpoints, model: string): Promise<Response> {
  const body = JSON.stringify({
    inputs: [{ name: 'IN', shape: [1, 1], datatype: 'INT32', data: [1] }],
  });
  return fetch(`http://${http}/v2/models/${model}/infer`, { method: 'POST', body });
}
