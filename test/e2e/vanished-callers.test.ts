// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { encodeMessage } from '../../src/grpc/codec.ts';
import { askHttp, inferBody } from '../support/http-client.ts';
import { startNereid } from '../support/nereid.ts';
import { ServerFacts } from '../support/server-facts.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { testDoor } from '../support/test-door.ts';
import { until } from '../support/until.ts';

/** Calls whose requests go through TypeScript; those of native are in hostile.test.ts. */
const CALLS = [
  ['native', '/v1/models/gated:predict', '{"instances":[[7]]}'],
  [
    'typescript',
    '/v2/models/gated/infer',
    '{"inputs":[{"name":"IN","datatype":"INT32","shape":[1,1],"data":[7]}]}',
  ],
] as const;

describe('a client that vanishes', () => {
  for (const [inferPath, path, body] of CALLS) {
    it(`takes its ${path} out of the queue, ${inferPath} infer path`, async () => {
      using repository = new TempRepository();
      await repository.addGate('gated');
      await using server = await startNereid({
        args: [
          `--model-repository=${repository.path}`,
          `--infer-path=${inferPath}`,
          '--enable-test-backends',
        ],
      });
      const { http } = server.endpoints;
      const post = (to: string, text: string, signal?: AbortSignal): Promise<Response> =>
        fetch(`http://${http}${to}`, { method: 'POST', body: text, signal: signal ?? null });
      const gate = (control: object) => testDoor(server.endpoints, 'gated', control);
      const facts = new ServerFacts(server);

      const first = post(path, body);
      await gate({ action: 'await', waiting: 1 });
      const abandoned = new AbortController();
      const gone = [1, 2, 3].map(() =>
        post(path, body, abandoned.signal).then(
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
      assert.equal((await first).status, 200);
      assert.equal((await gate({})).executed, 1);
      // Whoever stays is served.
      assert.equal((await post(path, body)).status, 200);
    });
  }
});

const WAITING = 100;
const JSON_BODY = inferBody();
const STREAM_BODY = '{"IN":7}';

function frame(): Buffer {
  const message = encodeMessage('ModelInferRequest', {
    model_name: 'gated',
    inputs: [{ name: 'IN', datatype: 'INT32', shape: [1n, 1n] }],
    raw_input_contents: [Buffer.alloc(4)],
  });
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** Sends 100 requests; what it gives back cuts the connections without a word. */
type Transport = (at: string) => () => void;

const overHttp1 =
  (verb: string, body: string): Transport =>
  (at) => {
    const [host = '', port = ''] = at.split(':');
    const sockets: Socket[] = Array.from({ length: WAITING }, () => {
      const socket = connect(Number(port), host);
      socket.on('error', () => undefined);
      socket.write(
        `POST /v2/models/gated/${verb} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
      return socket;
    });
    return () => {
      for (const socket of sockets) socket.resetAndDestroy();
    };
  };

const overHttp2 =
  (send: (session: ClientHttp2Session) => void): Transport =>
  (at) => {
    const session = connectHttp2(`http://${at}`);
    session.on('error', () => undefined);
    send(session);
    return () => session.destroy();
  };

const call = (session: ClientHttp2Session, path: string, type: string) =>
  session
    .request({ ':method': 'POST', ':path': path, 'content-type': type, te: 'trailers' })
    .on('error', () => undefined);
const SERVICE = '/inference.GRPCInferenceService';

const TRANSPORTS: readonly (readonly [string, Transport])[] = [
  ['infer over HTTP/1.1', overHttp1('infer', JSON_BODY)],
  ['generate_stream over HTTP/1.1', overHttp1('generate_stream', STREAM_BODY)],
  [
    'infer over HTTP/2',
    overHttp2((session) => {
      for (let i = 0; i < WAITING; i++) {
        call(session, '/v2/models/gated/infer', 'application/json').end(JSON_BODY);
      }
    }),
  ],
  [
    'ModelInfer',
    overHttp2((session) => {
      for (let i = 0; i < WAITING; i++) {
        call(session, `${SERVICE}/ModelInfer`, 'application/grpc').end(frame());
      }
    }),
  ],
  [
    'ModelStreamInfer',
    overHttp2((session) => {
      const stream = call(session, `${SERVICE}/ModelStreamInfer`, 'application/grpc');
      for (let i = 0; i < WAITING; i++) stream.write(frame());
    }),
  ],
];

describe(`${WAITING} requests whose client vanishes`, () => {
  for (const [name, transport] of TRANSPORTS) {
    it(`leave the queue and never run: ${name}`, { timeout: 60_000 }, async () => {
      using repository = new TempRepository();
      await repository.addGate('gated');
      await using server = await startNereid({
        executable: 'nereid',
        args: [`--model-repository=${repository.path}`, '--enable-test-backends'],
      });
      const { http } = server.endpoints;
      const facts = new ServerFacts(server);
      const infer = () => askHttp(http, 'POST', '/v2/models/gated/infer', { body: JSON_BODY });
      const gate = (control: object) => testDoor(server.endpoints, 'gated', control);
      const first = infer();
      await gate({ action: 'await', waiting: 1 });
      // One port speaks both protocols.
      const vanish = transport(http);
      await until(async () => (await facts.pending('gated')) === WAITING);
      vanish();
      await until(async () => (await facts.pending('gated')) === 0);
      assert.equal((await gate({})).executed, 0);
      assert.equal(await facts.failed('gated', 'CANCELED'), WAITING);
      await gate({ action: 'open' });
      assert.equal((await first).status, 200);
      assert.equal((await gate({})).executed, 1);
      await until(async () => (await facts.poolBytes()) === 0);
      assert.equal((await infer()).status, 200);
    });
  }
});
