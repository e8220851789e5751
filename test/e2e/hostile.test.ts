// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { startNereid } from '../support/nereid.ts';
import { type Running, ServerFacts } from '../support/server-facts.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { testDoor } from '../support/test-door.ts';
import { until } from '../support/until.ts';

const INFER = '/inference.GRPCInferenceService/ModelInfer';
const MIB = 2 ** 20;

/** A request of one INT32 to a model of TempRepository. */
function body(value: number): string {
  return JSON.stringify({
    inputs: [{ name: 'IN', datatype: 'INT32', shape: [1, 1], data: [value] }],
  });
}

describe('a server among hostile clients', () => {
  const repository = new TempRepository();
  let server: Running;
  let facts: ServerFacts;

  before(async () => {
    await repository.addIdentity('steady');
    await repository.addGate('gated');
    server = await startNereid({
      args: [
        `--model-repository=${repository.path}`,
        '--model-control-mode=explicit',
        '--load-model=*',
        '--enable-test-backends',
        '--io-threads=4',
        '--exit-timeout-secs=1',
      ],
    });
    facts = new ServerFacts(server);
  });

  after(async () => {
    await server?.stop();
    repository[Symbol.dispose]();
  });

  const post = async (path: string, text: string): Promise<{ status: number; text: string }> => {
    const response = await fetch(`http://${server.endpoints.http}${path}`, {
      method: 'POST',
      body: text,
    });
    return { status: response.status, text: await response.text() };
  };

  const infer = async (model: string, value: number): Promise<number | undefined> => {
    const { text } = await post(`/v2/models/${model}/infer`, body(value));
    return (JSON.parse(text) as { outputs?: { data: number[] }[] }).outputs?.[0]?.data[0];
  };

  const gate = (control: object) => testDoor(server.endpoints, 'gated', control);

  const residentMiB = (): number => facts.residentKib() / 1024;

  it('serves on, without memory, while 10,000 streams claim 2 GiB each', async () => {
    const before = residentMiB();
    const sessions: ClientHttp2Session[] = [];
    const streams: ClientHttp2Stream[] = [];
    const claim = Buffer.from([0, 0x7f, 0xff, 0xff, 0xff]);
    try {
      for (let s = 0; s < 10; s++) {
        const session = connect(`http://${server.endpoints.grpc}`);
        session.on('error', () => {});
        sessions.push(session);
        await new Promise((resolve) => session.once('remoteSettings', resolve));
        for (let i = 0; i < 1000; i++) {
          const stream = session.request({
            ':method': 'POST',
            ':path': INFER,
            'content-type': 'application/grpc',
            te: 'trailers',
          });
          stream.on('error', () => {});
          stream.write(claim);
          streams.push(stream);
        }
        // The ping's answer comes behind everything sent before it.
        await new Promise((resolve) => session.ping(resolve));
        assert.equal(await infer('steady', s), s);
      }
      assert.ok(
        residentMiB() - before < 128,
        `resident memory went from ${before} to ${residentMiB()} MiB`,
      );
    } finally {
      for (const session of sessions) session.destroy();
    }
    assert.equal(await infer('steady', 77), 77);
  });

  it('answers a large body whose end comes byte by byte', async () => {
    const count = MIB / 2;
    const json = JSON.stringify({
      inputs: [
        {
          name: 'IN',
          datatype: 'INT32',
          shape: [1, count],
          parameters: { binary_data_size: 4 * count },
        },
      ],
      parameters: { binary_data_output: true },
    });
    const data = Buffer.from(Int32Array.from({ length: count }, (_, i) => i).buffer);
    const [host, port] = server.endpoints.http.split(':');
    const socket = connectTcp(Number(port), host).setNoDelay(true);
    const send = (bytes: Buffer | string) => new Promise((resolve) => socket.write(bytes, resolve));
    await send(
      `POST /v2/models/steady/infer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n` +
        `Inference-Header-Content-Length: ${json.length}\r\nContent-Length: ${json.length + data.length}\r\n\r\n${json}`,
    );
    // Sizes around every step in which the server reads, then single bytes.
    const cuts = [1, 300_000, 300_001, MIB, MIB + 70_000, data.length - 20];
    for (const [i, cut] of cuts.entries()) await send(data.subarray(cuts[i - 1] ?? 0, cut));
    for (let i = data.length - 20; i < data.length; i++) await send(data.subarray(i, i + 1));
    const pieces: Buffer[] = [];
    for await (const piece of socket) pieces.push(piece as Buffer);
    const answer = Buffer.concat(pieces);
    assert.match(answer.subarray(0, 20).toString(), /^HTTP\/1\.1 200 OK/);
    assert.ok(answer.subarray(-data.length).equals(data));
  });

  it('gives the memory of large bodies back when their clients vanish', async () => {
    const before = residentMiB();
    const sockets: Socket[] = [];
    for (let i = 0; i < 8; i++) {
      const [host, port] = server.endpoints.http.split(':');
      const socket = connectTcp(Number(port), host);
      socket.on('error', () => {});
      sockets.push(socket);
      socket.write(
        `POST /v2/models/steady/infer HTTP/1.1\r\nHost: x\r\nInference-Header-Content-Length: 10\r\nContent-Length: ${64 * MIB}\r\n\r\n`,
      );
      await new Promise((resolve) => socket.write(Buffer.alloc(16 * MIB), resolve));
    }
    await until(() => residentMiB() > before + 100);
    for (const socket of sockets) socket.destroy();
    await until(() => residentMiB() < before + 32);
    assert.equal(await infer('steady', 5), 5);
  });

  it('cancels what a vanished client left in the queue and never runs it', async () => {
    const first = infer('gated', 1);
    await gate({ action: 'await', waiting: 1 });
    const abandoned = new AbortController();
    const gone = [2, 3, 4].map((value) =>
      fetch(`http://${server.endpoints.http}/v2/models/gated/infer`, {
        method: 'POST',
        body: body(value),
        signal: abandoned.signal,
      }).then(
        () => 'answered',
        () => 'gone',
      ),
    );
    await until(async () => (await facts.pending('gated')) === 3);
    abandoned.abort();
    assert.deepEqual(await Promise.all(gone), ['gone', 'gone', 'gone']);
    await until(async () => (await facts.pending('gated')) === 0);
    assert.equal(await facts.failed('gated', 'CANCELED'), 3);
    await gate({ action: 'open' });
    assert.equal(await first, 1);
    assert.equal((await gate({})).executed, 1);
  });

  it('shows a load and an unload to the very next request on every connection', async () => {
    const paths = ['load', 'unload'].map((verb) => `/v2/repository/models/steady/${verb}`);
    const [load = '', unload = ''] = paths;
    // Sixteen requests at once use sixteen connections, spread over the I/O threads.
    const ask = () =>
      Promise.all(Array.from({ length: 16 }, () => post('/v2/models/steady/infer', body(1))));
    for (let round = 0; round < 10; round++) {
      assert.equal((await post(unload, '')).status, 200);
      for (const { status } of await ask()) assert.equal(status, 404);
      assert.equal((await post(load, '')).status, 200);
      for (const { status } of await ask()) assert.equal(status, 200);
    }
  });

  it('reloads a model under load without one failed answer', async () => {
    let stop = false;
    let answered = 0;
    const clients = Array.from({ length: 8 }, async (_, client) => {
      for (let i = 0; !stop; i++) {
        const value = client * 1_000_000 + i;
        assert.equal(await infer('steady', value), value);
        answered++;
      }
    });
    for (let generation = 0; generation < 10; generation++) {
      await repository.addIdentity(
        'steady',
        [1],
        `metric_tags { key: "g" value: "${generation}" }`,
      );
      const enough = answered + 50;
      assert.equal((await post('/v2/repository/models/steady/load', '')).status, 200);
      await until(() => answered >= enough);
    }
    stop = true;
    await Promise.all(clients);
    assert.match(await facts.page(), /^nv_inference_request_success\{.*_g="9".*\}/m);
  });

  it('ends within its time while requests are stuck', async () => {
    await gate({ action: 'close' });
    const stuck = infer('gated', 9).catch(() => 'gone');
    await gate({ action: 'await', waiting: 1 });
    process.kill(server.pid ?? 0, 'SIGTERM');
    const { code, signal } = await server.exited;
    assert.deepEqual({ code, signal }, { code: 1, signal: null }, 'a stop that was not clean');
    await stuck;
  });
});
