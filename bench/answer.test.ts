// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import {
  createServer as createHttp2,
  createSecureServer as createSecureHttp2,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { checkAnswer } from './answer.ts';
import { benchCertificate } from './certificate.ts';
import { cannedAnswer, makePayload } from './payload.ts';
import { loadScenarios, type Scenario } from './scenario.ts';

const scenarios = loadScenarios([]).filter(({ shape }) => (shape[1] ?? 0) < 100);

/** Answers `body` with `grpcStatus` in the trailers over HTTP/2, or with 200 over HTTP/1.1. */
function serve(scenario: Scenario, body: Buffer, headers: string, grpcStatus = '0') {
  if (scenario.protocol === 'grpc') {
    const answer = (_: Http2ServerRequest, reply: Http2ServerResponse): void => {
      reply.writeHead(200, { 'content-type': 'application/grpc' });
      reply.addTrailers({ 'grpc-status': grpcStatus, 'grpc-message': 'why' });
      reply.end(body);
    };
    if (!scenario.tls) return createHttp2(answer);
    const { certificate, key } = benchCertificate();
    return createSecureHttp2({ cert: readFileSync(certificate), key: readFileSync(key) }, answer);
  }
  const pairs = headers.split('\n').map((line) => line.split(': '));
  return createHttp((request, reply) => {
    request.resume();
    reply.writeHead(200, Object.fromEntries(pairs)).end(body);
  });
}

for (const scenario of scenarios) {
  describe(`checkAnswer, ${scenario.name}`, () => {
    const payload = makePayload(scenario);
    const { body, headers } = cannedAnswer(scenario, payload);
    const wrong = Buffer.from(body);
    // The first decimal of the last number in JSON, the exponent of the last float otherwise.
    const isJson = scenario.protocol === 'http-json';
    const at = isJson ? body.lastIndexOf('.') + 1 : body.length - 1;
    wrong[at] = isJson ? ((wrong[at] ?? 0) === 0x31 ? 0x32 : 0x31) : (wrong[at] ?? 0) ^ 1;
    const good = serve(scenario, body, headers);
    const bad = serve(scenario, wrong, headers);
    const refusing = serve(scenario, body, headers, '3');
    const servers = [good, bad, refusing];
    before(async () => {
      for (const server of servers) {
        await new Promise<void>((resolve) => {
          server.listen(0, '127.0.0.1', resolve);
        });
      }
    });
    after(() => servers.forEach((server) => void server.close()));
    const check = (server: (typeof servers)[number]) =>
      checkAnswer(scenario, (server.address() as AddressInfo).port, payload);

    it('takes the right answer and gives its bytes', async () => {
      assert.deepEqual(await check(good), body);
    });
    it('refuses one wrong value', async () => {
      await assert.rejects(check(bad), /value \d+ of the answer is/);
    });
    if (scenario.protocol === 'grpc') {
      it('refuses an error in the trailers', async () => {
        await assert.rejects(check(refusing), /gRPC status 3 why/);
      });
    }
  });
}
