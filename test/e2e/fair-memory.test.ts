// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Stream, connect } from 'node:http2';
import { describe, it } from 'node:test';
import { startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';

const INFER = '/inference.GRPCInferenceService/ModelInfer';
const MIB = 2 ** 20;

describe('memory of one connection', () => {
  it('is at most a quarter of the limit for all its requests together', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    await using server = await startNereid({
      args: [`--model-repository=${repository.path}`, `--memory-limit=${64 * MIB}`],
    });
    const client = connect(`http://${server.endpoints.grpc}`);
    client.unref();
    const begin = (): ClientHttp2Stream => {
      const stream = client.request({
        ':method': 'POST',
        ':path': INFER,
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      stream.on('error', () => undefined);
      // A message of 8 MiB of which 6 come.
      stream.write(Buffer.concat([Buffer.from([0, 0, 0x80, 0, 0]), Buffer.alloc(6 * MIB)]));
      return stream;
    };
    const answerOf = async (stream: ClientHttp2Stream) => (await once(stream, 'response'))[0];
    const streams = [begin(), begin(), begin()];
    const headers = await Promise.race(streams.map(answerOf));
    assert.equal(headers['grpc-status'], '14');
    assert.equal(
      decodeURIComponent(headers['grpc-message']),
      'memory limit reached: the requests of one connection may hold 16777216 bytes together, retry later',
    );

    // Others are not concerned, and what a connection gives back it may have again.
    const live = await fetch(`http://${server.endpoints.http}/v2/health/live`);
    assert.equal(live.status, 200);
    await Promise.all(
      streams.map(async (stream) => {
        if (stream.destroyed) return;
        stream.destroy();
        await once(stream, 'close');
      }),
    );
    const whole = begin();
    const answer = answerOf(whole);
    whole.end(Buffer.alloc(2 * MIB));
    // All of its bytes are no message.
    assert.equal(decodeURIComponent((await answer)['grpc-message']), 'Unable to parse request');
    client.destroy();
  });
});
