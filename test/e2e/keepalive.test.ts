// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, connect, constants } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { startNereid } from '../support/nereid.ts';
import type { Endpoints, ServerProcess } from '../support/server-process.ts';
import { TempRepository } from '../support/temp-repository.ts';

const LIVE = '/inference.GRPCInferenceService/ServerLive';
const EMPTY_MESSAGE = Buffer.alloc(5);

type Server = ServerProcess & { endpoints: Endpoints };

interface Goaway {
  readonly code: number;
  readonly text: string;
}

function goawayOf(client: ClientHttp2Session): Promise<Goaway> {
  return new Promise((resolve) => {
    client.on('goaway', (code: number, _last: number, data?: Buffer) => {
      // The first of two says only that there will be no more streams.
      if (data !== undefined && data.length > 0) resolve({ code, text: data.toString() });
    });
  });
}

/** Without `once`, which takes an error for a failure: a GOAWAY may bring one. */
function closeOf(client: ClientHttp2Session): Promise<void> {
  return new Promise((resolve) => client.on('close', () => resolve()));
}

async function open(server: Server): Promise<ClientHttp2Session> {
  const client = connect(`http://${server.endpoints.grpc}`);
  client.on('error', () => undefined);
  await once(client, 'remoteSettings');
  return client;
}

async function isLive(client: ClientHttp2Session): Promise<boolean> {
  const stream = client.request({
    ':method': 'POST',
    ':path': LIVE,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  stream.end(EMPTY_MESSAGE);
  const trailers = once(stream, 'trailers');
  stream.resume();
  return (await trailers)[0]['grpc-status'] === '0';
}

describe('life of a gRPC connection', () => {
  const repository = new TempRepository();
  const start = (...args: string[]): Promise<Server> =>
    startNereid({ args: [`--model-repository=${repository.path}`, ...args] });

  before(() => repository.addIdentity('m'));
  after(() => repository[Symbol.dispose]());

  describe('with pings', () => {
    let server: Server;

    before(async () => {
      server = await start(
        '--grpc-keepalive-time=50',
        '--grpc-keepalive-timeout=500',
        '--grpc-keepalive-permit-without-calls=1',
        // Without effect: gRPC's servers know no such bound.
        '--grpc-http2-max-pings-without-data=2',
      );
    });
    after(() => server?.stop());

    it('asks a silent client for a sign of life, again and again', async () => {
      const client = await open(server);
      for (let i = 0; i < 3; i += 1) await once(client, 'ping');
      assert.equal(await isLive(client), true);
      client.destroy();
    });

    it('closes when none comes', async () => {
      const [host, port] = server.endpoints.grpc.split(':');
      const socket = connectTcp(Number(port), host);
      socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0');
      socket.resume();
      await once(socket, 'close');
    });

    it('closes when the client asks too often', async () => {
      const client = await open(server);
      const goaway = goawayOf(client);
      const closed = closeOf(client);
      // Two strikes are forgiven; the first ping is none.
      for (let i = 0; i < 4; i += 1) client.ping(() => undefined);
      assert.deepEqual(await goaway, {
        code: constants.NGHTTP2_ENHANCE_YOUR_CALM,
        text: 'too_many_pings',
      });
      await closed;
    });

    it('forgives what came before an answer', async () => {
      const client = await open(server);
      for (let round = 0; round < 3; round += 1) {
        for (let i = 0; i < 3; i += 1) {
          await new Promise((resolve) => client.ping(resolve));
        }
        assert.equal(await isLive(client), true);
      }
      client.destroy();
    });
  });

  it('ends connections that are old, after their grace', async () => {
    await using server = await start(
      '--grpc-max-connection-age=100',
      '--grpc-max-connection-age-grace=100',
    );
    const client = await open(server);
    const goaway = goawayOf(client);
    const closed = closeOf(client);
    // A request that never ends would keep the connection.
    const stuck = client.request({
      ':method': 'POST',
      ':path': LIVE,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stuck.on('error', () => undefined);
    assert.deepEqual(await goaway, { code: constants.NGHTTP2_NO_ERROR, text: 'max_age' });
    await closed;
  });
});
