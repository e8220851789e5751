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
import { cannedAnswer, makePayload, type Payload } from './payload.ts';
import { loadScenarios, type Scenario } from './scenario.ts';

const scenarios = loadScenarios([]).filter(({ shape }) => (shape[1] ?? 0) <= 1000);

/** Answers `body` with `grpcStatus` in the trailers over HTTP/2, or with 200 over HTTP/1.1. */
function serve(scenario: Scenario, body: Buffer, headers: string, grpcStatus = '0') {
  if (scenario.protocol === 'grpc') {
    const answer = (_: Http2ServerRequest, reply: Http2ServerResponse): void => {
      reply.writeHead(200, { 'content-type': 'application/grpc', ...fieldsOf(headers) });
      reply.addTrailers({ 'grpc-status': grpcStatus, 'grpc-message': 'why' });
      reply.end(body);
    };
    if (!scenario.tls) return createHttp2(answer);
    const { certificate, key } = benchCertificate();
    return createSecureHttp2({ cert: readFileSync(certificate), key: readFileSync(key) }, answer);
  }
  return createHttp((request, reply) => {
    request.resume();
    reply.writeHead(200, fieldsOf(headers)).end(body);
  });
}

function fieldsOf(headers: string): Record<string, string> {
  const lines = headers.split('\n').filter((line) => line !== '');
  return Object.fromEntries(lines.map((line) => line.split(': ')));
}

/** The same with the smallest difference in the last value that may not pass. */
function withOneWrong(payload: Payload): Payload {
  const { expected, tolerance } = payload;
  if (!(expected instanceof Float32Array)) {
    return { ...payload, expected: [...expected.slice(0, -1), `${expected.at(-1)}0`] };
  }
  const values = Float32Array.from(expected);
  values[values.length - 1] = (values.at(-1) ?? 0) + 1.5 * tolerance + 2 ** -24;
  return { ...payload, expected: values };
}

for (const scenario of scenarios) {
  describe(`checkAnswer, ${scenario.name}`, () => {
    const payload = makePayload(scenario);
    const { body, headers } = cannedAnswer(scenario, payload);
    const good = serve(scenario, body, headers);
    const bad = serve(scenario, cannedAnswer(scenario, withOneWrong(payload)).body, headers);
    const refusing = serve(scenario, body, headers, '3');
    const other = { ...scenario, gzip: scenario.gzip !== true };
    const coded = cannedAnswer(other, payload);
    const surprising = serve(other, coded.body, coded.headers);
    const servers = [good, bad, refusing, surprising];
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
    if (scenario.responses === undefined && coded.headers !== headers) {
      it('refuses an answer in a coding that was not asked for', async () => {
        await assert.rejects(check(surprising), /the answer's coding is (gzip|identity)/);
      });
    }
    if (scenario.protocol === 'grpc') {
      it('refuses an error in the trailers', async () => {
        await assert.rejects(check(refusing), /gRPC status 3 why/);
      });
    }
  });
}
