// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { askHttp } from '../support/http-client.ts';
import { GrpcInferClient, HttpInferClient, type InferClient } from '../support/infer-clients.ts';
import { NativeHeap } from '../support/native-heap.ts';
import { startNereid } from '../support/nereid.ts';
import { ServerFacts } from '../support/server-facts.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { until } from '../support/until.ts';
import { Dice, type Effort, type Figures, Progress, type Scenario } from './scenario.ts';

const GOOD = ['plain', 'batched', 'chain'] as const;
const BROKEN = ['no_backend', 'bad_field', 'lost'] as const;
/** Threads, pools and caches that are made with the first requests stay. */
const WARM_UP_CYCLES = 10;
const REQUESTS = 200;
const LEAVERS = 20;
const CONNECTIONS = 8;
const LARGE_COLUMNS = 256 * 1024;

async function addModels(repository: TempRepository): Promise<void> {
  await repository.addIdentity('plain');
  await repository.addIdentity(
    'batched',
    [1],
    'dynamic_batching { max_queue_delay_microseconds: 200 } instance_group [{ count: 2 }]',
  );
  await repository.addChain('chain', ['plain', 'batched']);
  await repository.addChain('lost', ['nobody']);
  await repository.add('no_backend', 'no_such_backend');
  await repository.addIdentity('bad_field', [1], 'nonsense: 1');
}

/** @param effort `count` cycles of loads, requests of every kind, failed loads, clients that leave, unloads */
async function run({ count, seed, log }: Effort): Promise<Figures> {
  using repository = new TempRepository();
  await addModels(repository);
  await using server = await startNereid({
    args: [
      `--model-repository=${repository.path}`,
      '--model-control-mode=explicit',
      '--extended-metrics=true',
      '--diagnostics-api=true',
    ],
    env: NativeHeap.env(),
  });
  const { http, grpc } = server.endpoints;
  const facts = new ServerFacts(server);
  const heap = new NativeHeap(server);
  const dice = new Dice(seed);
  const progress = new Progress(log);
  const ask = async (model: string, verb: string): Promise<number> =>
    (await askHttp(http, 'POST', `/v2/repository/models/${model}/${verb}`)).status;

  const infer = async (client: InferClient, ok: number, columns: number): Promise<void> => {
    const shape = [1 + dice.roll(3), columns] as const;
    const data = Buffer.alloc(shape[0] * columns * 4, dice.roll(256));
    const answer = await client.infer({ model: dice.pick(GOOD), shape, data });
    assert.equal(answer.status, ok, answer.error);
    assert.ok(answer.data.equals(data));
  };
  const leave = async (client: InferClient): Promise<void> => {
    const leaving = new AbortController();
    const rows = { model: dice.pick(GOOD), shape: [1, 64], data: Buffer.alloc(256) } as const;
    const call = client.infer(rows, { signal: leaving.signal });
    setImmediate(() => leaving.abort());
    // Who was quicker is open.
    await call.catch(() => undefined);
  };

  const cycle = async (): Promise<void> => {
    for (const model of GOOD) assert.equal(await ask(model, 'load'), 200);
    const overHttp = new HttpInferClient(http, CONNECTIONS);
    const overGrpc = new GrpcInferClient(grpc);
    const both = [
      [overHttp, 200],
      [overGrpc, 0],
    ] as const;
    for (const [client, ok] of both) {
      const each = Array.from({ length: REQUESTS }, () => infer(client, ok, 1 + dice.roll(64)));
      await Promise.all(each);
      await infer(client, ok, LARGE_COLUMNS);
      await Promise.all(Array.from({ length: LEAVERS }, () => leave(client)));
    }
    for (const model of BROKEN) assert.notEqual(await ask(model, 'load'), 200);
    await overHttp[Symbol.asyncDispose]();
    await overGrpc[Symbol.asyncDispose]();
    for (const model of [...GOOD].reverse()) assert.equal(await ask(model, 'unload'), 200);
  };

  const settle = async (): Promise<void> => {
    await until(async () => !(await facts.page()).includes('nv_inference_count{'));
    await until(async () => (await facts.poolBytes()) === 0);
  };

  for (let i = 0; i < WARM_UP_CYCLES; i++) await cycle();
  await settle();
  await until(async () => (await facts.metric('nereid_connections')) <= 1);
  const before = { files: facts.files(), threads: facts.threads() };
  const residentBefore = facts.residentKib();
  await heap.begin();
  let heapGrowth = 0;
  for (let i = 1; i <= count; i++) {
    await cycle();
    await settle();
    await until(() => facts.files() <= before.files && facts.threads() === before.threads);
    heapGrowth = await heap.growth();
    progress.tell(
      () =>
        `${i} cycles, native heap ${inKib(heapGrowth)} KiB larger, ` +
        `${facts.residentKib() - residentBefore} KiB more resident`,
    );
  }
  return {
    cycles: count,
    requests: count * 2 * (REQUESTS + 1),
    failedLoads: count * BROKEN.length,
    nativeHeapGrowthKib: inKib(heapGrowth),
    residentGrowthKib: facts.residentKib() - residentBefore,
  };
}

const inKib = (bytes: number): number => Math.round(bytes / 1024);

export const mixed: Scenario = {
  name: 'mixed',
  about: 'after each cycle of loads, requests of every kind and unloads as much is held as before',
  short: { seconds: 0, count: 5 },
  perMinute: { count: 120 },
  run,
};
