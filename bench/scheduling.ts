// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Figures of scheduling, composition and life cycle that the scenarios of `npm run bench` do not have: what idle models
 * and ensembles cost, and how soon requests leave the queue or are refused. About two minutes.
 *
 *   npm run bench:scheduling -- --rounds=3
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { GrpcInferClient, type Rows } from '../test/soak/infer-clients.ts';
import { type Running, ServerFacts } from '../test/soak/server-facts.ts';
import { projectRoot, startNereid } from '../test/support/nereid.ts';
import { TempRepository } from '../test/support/temp-repository.ts';
import { testDoor } from '../test/support/test-door.ts';
import { until } from '../test/support/until.ts';
import { readCommit, readMachineCard } from './machine.ts';
import { cpuBetween, readTree } from './process-tree.ts';
import { quantile, type Spread, spread } from './statistics.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    requests: { type: 'string', default: '20000' },
    out: { type: 'string', default: join(projectRoot, 'bench/results') },
  },
});
const ROUNDS = Number(values.rounds);
const REQUESTS = Number(values.requests);
const IN_FLIGHT = 64;
const STEPS = 4;
const IDLE_MODELS = 500;
const QUEUED = 200;
const REFUSALS = 2000;

interface Figure {
  readonly name: string;
  readonly unit: 'µs' | 'ms' | 'MiB';
  readonly found: Spread;
  /** what the median may be; absent = none is set */
  readonly atMost?: number;
}

const ROW: Rows = { model: 'plain', shape: [1, 16], data: Buffer.alloc(64, 7) };
const IO = `input { name: "IN" data_type: TYPE_INT32 dims: [ -1 ] }
output { name: "OUT" data_type: TYPE_INT32 dims: [ -1 ] }`;

async function addChain(repository: TempRepository, name: string, steps: number): Promise<void> {
  const step = (i: number): string =>
    `step { model_name: "plain" model_version: -1
      input_map { key: "IN" value: "${i === 0 ? 'IN' : `t${i}`}" }
      output_map { key: "OUT" value: "${i === steps - 1 ? 'OUT' : `t${i + 1}`}" } }`;
  const all = Array.from({ length: steps }, (_, i) => step(i)).join('\n');
  await repository.write(
    `${name}/config.pbtxt`,
    `platform: "ensemble" max_batch_size: 8\n${IO}\nensemble_scheduling { ${all} }`,
  );
  await repository.write(`${name}/1/.keep`, '');
}

const start = (repository: TempRepository): Promise<Running> =>
  startNereid({ args: [`--model-repository=${repository.path}`, '--enable-test-backends'] });

/** Server CPU of one request, µs, with 64 of them in flight. */
async function cpuPerRequest(server: Running, model: string): Promise<number> {
  const pid = server.pid ?? 0;
  await using client = new GrpcInferClient(server.endpoints.grpc);
  const load = async (requests: number): Promise<void> => {
    let sent = 0;
    const work = async (): Promise<void> => {
      while (sent < requests) {
        sent += 1;
        const { status, error } = await client.infer({ ...ROW, model });
        if (status !== 0) throw new Error(error);
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  };
  await load(REQUESTS / 4);
  const before = readTree(pid);
  await load(REQUESTS);
  return cpuBetween(before, readTree(pid)).cpuNs / 1000 / REQUESTS;
}

async function measureIdleModels(): Promise<Figure[]> {
  using alone = new TempRepository();
  using crowded = new TempRepository();
  for (const repository of [alone, crowded]) await repository.addIdentity('plain');
  for (let i = 0; i < IDLE_MODELS; i++) await crowded.addIdentity(`idle${i}`);
  await using one = await start(alone);
  await using many = await start(crowded);
  const differences: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const base = await cpuPerRequest(one, 'plain');
    differences.push((await cpuPerRequest(many, 'plain')) - base);
  }
  const resident = (server: Running): number => readTree(server.pid ?? 0).rssKiB / 1024;
  const grown = (resident(many) - resident(one)) / IDLE_MODELS;
  return [
    {
      name: `CPU of a request beside ${IDLE_MODELS} idle models, over alone`,
      unit: 'µs',
      found: spread(differences),
      atMost: 0.5,
    },
    { name: 'memory of an idle model', unit: 'MiB', found: spread([grown]) },
  ];
}

async function measureEnsembles(): Promise<Figure[]> {
  using repository = new TempRepository();
  await repository.addIdentity('plain');
  await addChain(repository, 'single', 1);
  await addChain(repository, 'chain', STEPS);
  await using server = await start(repository);
  const over: number[] = [];
  const perStep: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const plain = await cpuPerRequest(server, 'plain');
    const single = await cpuPerRequest(server, 'single');
    over.push(single - plain);
    perStep.push(((await cpuPerRequest(server, 'chain')) - single) / (STEPS - 1));
  }
  return [
    {
      name: 'CPU of an ensemble of one step, over its model',
      unit: 'µs',
      found: spread(over),
      atMost: 3,
    },
    {
      name: 'CPU of a further step, the run of its model included',
      unit: 'µs',
      found: spread(perStep),
      atMost: 2,
    },
  ];
}

const GATED = `parameters { key: "closed" value { string_value: "true" } }
dynamic_batching { default_queue_policy { max_queue_size: ${QUEUED} } }`;

/** Milliseconds from the clients' leaving until the gauge of the queue says that it is empty, scrapes included. */
async function measureQueue(): Promise<Figure[]> {
  using repository = new TempRepository();
  await repository.add('gated', 'gate', [1], GATED);
  await using server = await start(repository);
  const facts = new ServerFacts(server);
  await using holder = new GrpcInferClient(server.endpoints.grpc);
  const row = { ...ROW, model: 'gated' };
  const held = holder.infer(row);
  await testDoor(server.endpoints, 'gated', { action: 'await', waiting: 1 });
  const filled = async (client: GrpcInferClient, signal?: AbortSignal) => {
    const options = signal === undefined ? {} : { signal };
    const calls = Array.from({ length: QUEUED }, () =>
      client.infer(row, options).catch(() => undefined),
    );
    await until(async () => (await facts.pending('gated')) === QUEUED);
    return calls;
  };
  const emptied = async (
    leave: () => void,
    calls: readonly Promise<unknown>[],
  ): Promise<number> => {
    const begin = performance.now();
    leave();
    while ((await facts.pending('gated')) > 0);
    const took = performance.now() - begin;
    await Promise.all(calls);
    return took;
  };
  const cancelled: number[] = [];
  const disconnected: number[] = [];
  const refused: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const leaving = new AbortController();
    await using staying = new GrpcInferClient(server.endpoints.grpc);
    const cancels = await filled(staying, leaving.signal);
    cancelled.push(await emptied(() => leaving.abort(), cancels));
    const going = new GrpcInferClient(server.endpoints.grpc);
    disconnected.push(await emptied(() => going.destroy(), await filled(going)));

    // The queue is full, and ten times as many as it takes come after it, some at a time.
    const queue = new GrpcInferClient(server.endpoints.grpc);
    const waiting = await filled(queue);
    const times: number[] = [];
    for (let sent = 0; sent < REFUSALS; sent += 8) {
      const one = async (): Promise<void> => {
        const begin = performance.now();
        const { status } = await staying.infer(row);
        if (status === 0) throw new Error('a request was accepted by a full queue');
        times.push(performance.now() - begin);
      };
      await Promise.all(Array.from({ length: 8 }, one));
    }
    refused.push(
      quantile(
        times.sort((a, b) => a - b),
        0.99,
      ),
    );
    await emptied(() => queue.destroy(), waiting);
  }
  await testDoor(server.endpoints, 'gated', { action: 'open' });
  await held;
  const queue = { unit: 'ms', atMost: 50 } as const;
  return [
    { name: `${QUEUED} cancelled requests leave the queue`, found: spread(cancelled), ...queue },
    {
      name: `${QUEUED} requests of a lost connection leave it`,
      found: spread(disconnected),
      ...queue,
    },
    {
      name: 'a refusal at 10 times too many requests, 99th percentile at the client',
      unit: 'ms',
      found: spread(refused),
      atMost: 5,
    },
  ];
}

const startedAt = new Date().toISOString();
const figures: Figure[] = [];
for (const [what, measure] of [
  ['idle models', measureIdleModels],
  ['ensembles', measureEnsembles],
  ['the queue', measureQueue],
] as const) {
  console.log(`measuring ${what} …`);
  for (const figure of await measure()) {
    const { name, unit, found, atMost } = figure;
    const verdict =
      atMost === undefined
        ? ''
        : found.median <= atMost
          ? `, held: at most ${atMost}`
          : `, NOT held: at most ${atMost}`;
    const text = [found.min, found.median, found.max].map((value) => value.toFixed(2)).join(' / ');
    console.log(`  ${name}: ${text} ${unit} (min / median / max)${verdict}`);
    figures.push(figure);
  }
}
if (values.out !== 'none') {
  mkdirSync(values.out, { recursive: true });
  const file = join(values.out, `${startedAt.slice(0, 19).replaceAll(':', '-')}-scheduling.json`);
  const report = {
    startedAt,
    commit: readCommit(projectRoot),
    machine: readMachineCard(),
    options: { rounds: values.rounds, requests: values.requests },
    figures,
  };
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  console.log(`written: ${file}`);
}
if (figures.some(({ found, atMost }) => atMost !== undefined && found.median > atMost))
  process.exitCode = 1;
