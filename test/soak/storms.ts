// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import {
  GrpcInferClient,
  HttpInferClient,
  LeftError,
  type Rows,
} from '../support/infer-clients.ts';
import { startNereid } from '../support/nereid.ts';
import { ServerFacts } from '../support/server-facts.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { testDoor } from '../support/test-door.ts';
import { until } from '../support/until.ts';
import { Dice, type Effort, type Figures, Progress, type Scenario } from './scenario.ts';

const ROW: Rows = { model: 'gated', shape: [1, 1], data: Buffer.from([7, 0, 0, 0]) };
const WAVE = 500;

const BATCHING = `dynamic_batching { default_queue_policy {
  default_timeout_microseconds: 3600000000 allow_timeout_override: true
} }`;

/** One request at the gate, others behind it that never run. */
async function withGate(
  body: (server: {
    readonly endpoints: { readonly http: string; readonly grpc: string };
    readonly facts: ServerFacts;
    readonly executed: () => Promise<number>;
  }) => Promise<Figures>,
): Promise<Figures> {
  using repository = new TempRepository();
  await repository.addGate('gated', BATCHING);
  await using server = await startNereid({
    args: [`--model-repository=${repository.path}`, '--enable-test-backends'],
  });
  const gate = (control: object) => testDoor(server.endpoints, 'gated', control);
  await using client = new GrpcInferClient(server.endpoints.grpc);
  const first = client.infer(ROW);
  await gate({ action: 'await', waiting: 1 });
  const facts = new ServerFacts(server);
  const executed = async (): Promise<number> => (await gate({})).executed;
  const figures = await body({ endpoints: server.endpoints, facts, executed }).catch((error) => {
    // Else it would wait for the one at the gate.
    first.catch(() => undefined);
    client.destroy();
    throw error;
  });

  // Only the one at the gate runs, and the server serves on.
  await until(async () => (await facts.pending('gated')) === 0);
  assert.equal(await executed(), 0);
  await gate({ action: 'open' });
  assert.equal((await first).status, 0);
  assert.equal(await executed(), 1);
  assert.equal(await facts.succeeded('gated'), 1);
  assert.equal((await client.infer(ROW)).status, 0);
  return figures;
}

/** @param effort `count` waves of 500 requests */
async function runDeadlines({ count, seed, log }: Effort): Promise<Figures> {
  const dice = new Dice(seed);
  return withGate(async ({ endpoints, facts }) => {
    const progress = new Progress(log);
    let gone = 0;
    await using overHttp = new HttpInferClient(endpoints.http, WAVE);
    await using overGrpc = new GrpcInferClient(endpoints.grpc);
    for (let wave = 0; wave < count; wave++) {
      const calls = Array.from({ length: WAVE }, async (_, i) => {
        const timeoutMs = 1 + dice.roll(100);
        if (i % 2 === 0) {
          // The queue's own timeout, by Triton's parameter.
          const answer = await overHttp.infer(ROW, { timeoutMs });
          assert.match(answer.error, /Request timeout expired/);
        } else {
          const answer = await overGrpc.infer(ROW, { timeoutMs }).catch((error: unknown) => {
            if (!(error instanceof LeftError)) throw error;
          });
          // Who is quicker, the server's clock or the client's, is open.
          if (answer !== undefined) assert.equal(answer.status, 4);
        }
        gone += 1;
      });
      await Promise.all(calls);
      await until(async () => (await facts.pending('gated')) === 0);
      progress.tell(() => `${gone} requests out of time`);
    }
    return { outOfTime: gone };
  });
}

export const deadlines: Scenario = {
  name: 'deadlines',
  about: 'requests whose time is over leave the queue and never run',
  short: { seconds: 0, count: 12 },
  perMinute: { count: 100 },
  run: runDeadlines,
};

/** @param effort `count` waves of 500 requests */
async function runDisconnects({ count, seed, log }: Effort): Promise<Figures> {
  const dice = new Dice(seed);
  return withGate(async ({ endpoints, facts }) => {
    const progress = new Progress(log);
    let gone = 0;
    const files = facts.files();
    for (let wave = 0; wave < count; wave++) {
      const overHttp = new HttpInferClient(endpoints.http, WAVE);
      const leaving = new AbortController();
      const sessions = Array.from({ length: 5 }, () => new GrpcInferClient(endpoints.grpc));
      const calls = Array.from({ length: WAVE }, (_, i) => {
        const overGrpc = sessions[i % sessions.length];
        const call =
          i % 2 === 0 || overGrpc === undefined
            ? overHttp.infer(ROW, { signal: leaving.signal })
            : overGrpc.infer(ROW);
        return call.then(
          () => assert.fail('a request behind the gate was answered'),
          () => {
            gone += 1;
          },
        );
      });
      const wanted = 1 + dice.roll(WAVE);
      // Some leave when all wait, some while they come.
      await until(async () => (await facts.pending('gated')) >= wanted);
      leaving.abort();
      for (const session of sessions) session.destroy();
      await Promise.all(calls);
      await until(async () => (await facts.pending('gated')) === 0);
      progress.tell(() => `${gone} clients gone`);
    }
    await until(() => facts.files() <= files);
    return { gone };
  });
}

export const disconnects: Scenario = {
  name: 'disconnects',
  about:
    'requests whose client is gone leave the queue and never run, and their connections with them',
  short: { seconds: 0, count: 2 },
  perMinute: { count: 100 },
  run: runDisconnects,
};

/** So many that none breaks off more than the 200 streams a second that one connection may. */
const CONNECTIONS = 32;
const STREAMS = 2;
const MOST_TIMEOUT_TENTHS = 200;

/**
 * The storm that ends Triton 2.51 within seconds: 64 in flight with deadlines of 0.5 to 20 ms at an identity model.
 * @param effort `seconds` of it
 */
async function runClientDeadlines({ seconds, seed, log }: Effort): Promise<Figures> {
  using repository = new TempRepository();
  await repository.addIdentity('identity', [1], 'dynamic_batching {}');
  await using server = await startNereid({ args: [`--model-repository=${repository.path}`] });
  const clients = Array.from(
    { length: CONNECTIONS },
    () => new GrpcInferClient(server.endpoints.grpc),
  );
  const dice = new Dice(seed);
  const progress = new Progress(log);
  const end = Date.now() + seconds * 1000;
  let answered = 0;
  let left = 0;
  const row = { ...ROW, model: 'identity' };
  const work = async (client: GrpcInferClient): Promise<void> => {
    while (Date.now() < end) {
      const timeoutMs = (5 + dice.roll(MOST_TIMEOUT_TENTHS - 5)) / 10;
      try {
        const { status, data } = await client.infer(row, { timeoutMs });
        if (status === 0) {
          assert.ok(data.equals(row.data));
          answered += 1;
        } else {
          assert.equal(status, 4);
          left += 1;
        }
      } catch (error) {
        if (!(error instanceof LeftError)) throw error;
        left += 1;
      }
      progress.tell(() => `${answered} answered, ${left} out of time`);
    }
  };
  const calls = clients.flatMap((client) => Array.from({ length: STREAMS }, () => work(client)));
  await Promise.all(calls);
  for (const client of clients) await client[Symbol.asyncDispose]();
  const facts = new ServerFacts(server);
  await until(async () => (await facts.pending('identity')) === 0);
  await using after = new GrpcInferClient(server.endpoints.grpc);
  assert.equal((await after.infer(row)).status, 0);
  assert.ok(left > 0, 'no deadline was missed');
  return { answered, outOfTime: left };
}

export const clientDeadlines: Scenario = {
  name: 'client-deadlines',
  about: 'clients that give up after 0.5 to 20 ms do the server no harm',
  short: { seconds: 30, count: 0 },
  perMinute: { count: 0 },
  run: runClientDeadlines,
};
