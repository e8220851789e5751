// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';
import { after, before, describe, it } from 'node:test';
import { gunzipSync, inflateSync } from 'node:zlib';
import { startNereid } from '../support/nereid.ts';
import type { Endpoints, ServerProcess } from '../support/server-process.ts';
import { TempRepository } from '../support/temp-repository.ts';

const PREFIX_BYTES = 5;
const INFER = '/inference.GRPCInferenceService/ModelInfer';
const STREAM = '/inference.GRPCInferenceService/ModelStreamInfer';
const METADATA = '/inference.GRPCInferenceService/ServerMetadata';

interface Message {
  readonly isCompressed: boolean;
  /** behind the prefix */
  readonly message: Buffer;
}

interface Answer {
  readonly encoding: string | undefined;
  readonly accepts: string | undefined;
  readonly messages: readonly Message[];
  readonly status: string;
}

/** A field of protobuf with a length. */
function field(number: number, content: Buffer | string): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...varint(bytes.length)]), bytes]);
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)];
}

/** ModelInfer of `count` zeros. */
function inferRequest(count: number, model = 'm'): Buffer {
  const shape = field(3, Buffer.from([...varint(1), ...varint(count)]));
  const input = Buffer.concat([field(1, 'IN'), field(2, 'INT32'), shape]);
  return Buffer.concat([field(1, model), field(5, input), field(7, Buffer.alloc(4 * count))]);
}

function prefixed(message: Buffer): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

function messagesOf(body: Buffer): Message[] {
  const messages: Message[] = [];
  for (let at = 0; at < body.length; ) {
    const start = at + PREFIX_BYTES;
    const end = start + body.readUInt32BE(at + 1);
    assert.ok(end <= body.length, 'the last message is whole');
    messages.push({ isCompressed: body[at] === 1, message: body.subarray(start, end) });
    at = end;
  }
  return messages;
}

async function callWithMany(
  session: ClientHttp2Session,
  path: string,
  messages: readonly Buffer[],
  accepts?: string,
): Promise<Answer> {
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...(accepts === undefined ? {} : { 'grpc-accept-encoding': accepts }),
  });
  stream.end(Buffer.concat(messages.map(prefixed)));
  let head: IncomingHttpHeaders = {};
  let trailers: IncomingHttpHeaders = {};
  stream.once('response', (headers) => {
    head = headers;
  });
  stream.once('trailers', (headers) => {
    trailers = headers;
  });
  const body = Buffer.concat(await stream.toArray());
  return {
    encoding: text(head['grpc-encoding']),
    accepts: text(head['grpc-accept-encoding']),
    messages: messagesOf(body),
    status: text(trailers['grpc-status'] ?? head['grpc-status']) ?? '',
  };
}

async function call(
  session: ClientHttp2Session,
  path: string,
  message: Buffer,
  accepts?: string,
): Promise<Answer & Message> {
  const answer = await callWithMany(session, path, [message], accepts);
  assert.ok(answer.messages.length <= 1);
  const [only = { isCompressed: false, message: Buffer.alloc(0) }] = answer.messages;
  return { ...answer, ...only };
}

const text = (value: string | string[] | undefined): string | undefined =>
  value === undefined ? undefined : String(value);

const same = (bytes: Buffer): Buffer => bytes;

const expand = { gzip: gunzipSync, deflate: inflateSync };

for (const inferPath of ['native', 'typescript'] as const) {
  describe(`--grpc-infer-response-compression-level, ${inferPath} infer path`, () => {
    const repository = new TempRepository();
    const servers = new Map<string, ServerProcess & { endpoints: Endpoints }>();
    const sessions = new Map<string, ClientHttp2Session>();

    before(async () => {
      await repository.addIdentity('m');
      for (const level of ['none', 'low', 'high']) {
        const server = await startNereid({
          args: [
            `--model-repository=${repository.path}`,
            `--infer-path=${inferPath}`,
            `--grpc-infer-response-compression-level=${level}`,
          ],
        });
        servers.set(level, server);
        sessions.set(level, connect(`http://${server.endpoints.grpc}`));
      }
    });

    after(async () => {
      for (const session of sessions.values()) session.destroy();
      for (const server of servers.values()) await server[Symbol.asyncDispose]();
      repository[Symbol.dispose]();
    });

    function session(level: string): ClientHttp2Session {
      const found = sessions.get(level);
      assert.ok(found);
      return found;
    }

    it('compresses with what the client takes and the level asks for', async () => {
      const request = inferRequest(500);
      const plain = await call(session('none'), INFER, request, 'identity,deflate,gzip');
      assert.deepEqual([plain.status, plain.encoding, plain.isCompressed], ['0', undefined, false]);
      const table = [
        ['low', 'identity,deflate,gzip', 'gzip'],
        ['high', 'identity,deflate,gzip', 'deflate'],
        ['low', 'deflate', 'deflate'],
        ['high', 'gzip', 'gzip'],
      ] as const;
      for (const [level, accepts, coding] of table) {
        const answer = await call(session(level), INFER, request, accepts);
        assert.deepEqual(
          [answer.status, answer.encoding, answer.isCompressed],
          ['0', coding, true],
        );
        assert.ok(answer.message.length < plain.message.length / 10);
        assert.deepEqual(expand[coding](answer.message), plain.message);
      }
    });

    it('compresses the answers of a stream one by one', async () => {
      const requests = [inferRequest(500), inferRequest(1), inferRequest(1, 'n'.repeat(400))];
      const plain = await callWithMany(session('none'), STREAM, requests, 'deflate, gzip');
      assert.deepEqual([plain.status, plain.encoding], ['0', undefined]);
      assert.deepEqual(
        plain.messages.map(({ isCompressed }) => isCompressed),
        [false, false, false],
      );
      for (const [level, coding] of [
        ['low', 'gzip'],
        ['high', 'deflate'],
      ] as const) {
        const answer = await callWithMany(session(level), STREAM, requests, 'deflate, gzip');
        assert.deepEqual([answer.status, answer.encoding], ['0', coding]);
        assert.deepEqual(
          answer.messages.map(({ isCompressed }) => isCompressed),
          [true, false, true],
        );
        assert.deepEqual(
          answer.messages.map((one) => (one.isCompressed ? expand[coding] : same)(one.message)),
          plain.messages.map(({ message }) => message),
        );
      }
    });

    it('tells those who know of codings what requests may be compressed with', async () => {
      const live = '/inference.GRPCInferenceService/ServerLive';
      for (const path of [INFER, STREAM, METADATA, live]) {
        const message = path === METADATA || path === live ? Buffer.alloc(0) : inferRequest(1);
        const { accepts, status } = await call(session('none'), path, message, 'identity');
        assert.deepEqual([accepts, status], ['identity, deflate, gzip', '0'], path);
        const silent = await call(session('none'), path, message);
        assert.deepEqual([silent.accepts, silent.status], [undefined, '0'], path);
      }
      // Nor does Triton with an answer that is trailers only.
      const failed = await call(session('none'), INFER, inferRequest(1, 'nobody'));
      assert.deepEqual([failed.accepts, failed.status], [undefined, '5']);
    });

    it('leaves alone what the client cannot read, what grows and what is no infer call', async () => {
      for (const accepts of [undefined, 'identity', 'br']) {
        const answer = await call(session('high'), INFER, inferRequest(500), accepts);
        assert.deepEqual([answer.encoding, answer.isCompressed], [undefined, false], accepts);
      }
      const small = await call(session('high'), INFER, inferRequest(1), 'gzip');
      assert.deepEqual([small.encoding, small.isCompressed, small.status], ['gzip', false, '0']);
      const metadata = await call(session('high'), METADATA, Buffer.alloc(0), 'gzip');
      assert.deepEqual([metadata.encoding, metadata.isCompressed], [undefined, false]);
      const failed = await call(session('high'), INFER, field(1, 'nobody'), 'gzip');
      assert.deepEqual([failed.encoding, failed.status], [undefined, '5']);
    });
  });
}
