// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askHttp } from '../support/http-client.ts';
import { GrpcInferClient, HttpInferClient, type InferClient } from '../support/infer-clients.ts';
import { startNereid } from '../support/nereid.ts';
import { ServerFacts } from '../support/server-facts.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { until } from '../support/until.ts';
import { Dice, type Effort, type Figures, Progress, type Scenario } from './scenario.ts';

const CLIENTS = 32;
const MODELS = ['a', 'b', 'c', 'd', 'e', 'f'] as const;

/** What a model says that does not serve, before its first load and after an unload. */
const NOT_SERVED = /^Request for unknown model: '(\w)' (is not found|has no available versions)$/;

interface Client {
  readonly infer: InferClient;
  readonly ok: number;
  readonly notFound: number;
}

const errorOf = (text: string): string =>
  text.startsWith('{') ? ((JSON.parse(text) as { error?: string }).error ?? text) : text;

/** The end of a configuration. */
function variantOf(variant: number): string {
  const batching = 'dynamic_batching { max_queue_delay_microseconds: 100 }';
  return `# variant
${variant % 2 === 0 ? batching : ''}
instance_group [{ count: ${1 + (variant % 3)} }]
parameters { key: "variant" value { string_value: "${variant}" } }
`;
}

/** @param effort `count` operations */
async function run({ count, seed, log }: Effort): Promise<Figures> {
  using repository = new TempRepository();
  for (const model of MODELS) await repository.addIdentity(model, [1], variantOf(0));
  const drafts = await mkdtemp(join(tmpdir(), 'nereid-drafts-'));
  /** At once, so that no load reads half a file. */
  const write = async (model: string, variant: number): Promise<void> => {
    const config = join(repository.path, model, 'config.pbtxt');
    const text = await readFile(config, 'utf8');
    const draft = join(drafts, String(variant));
    await writeFile(draft, text.replace(/# variant[\s\S]*$/, variantOf(variant)));
    await rename(draft, config);
  };
  await using server = await startNereid({
    args: [
      `--model-repository=${repository.path}`,
      '--model-control-mode=explicit',
      '--extended-metrics=true',
    ],
  });
  const { http, grpc } = server.endpoints;
  const facts = new ServerFacts(server);
  const dice = new Dice(seed);
  const progress = new Progress(log);
  const counts = { answered: 0, notServed: 0, loads: 0, unloads: 0, left: 0 };
  let operations = 0;

  const change = async (model: string, verb: 'load' | 'unload'): Promise<void> => {
    const path = `/v2/repository/models/${model}/${verb}`;
    const { status, body } = await askHttp(http, 'POST', path, { body: '{}' });
    assert.equal(status, 200, body);
  };
  const infer = async ({ infer: client, ok, notFound }: Client, model: string): Promise<void> => {
    const shape = [1 + dice.roll(4), 3] as const;
    const data = Buffer.alloc(shape[0] * shape[1] * 4, operations);
    const answer = await client.infer({ model, shape, data });
    if (answer.status === ok) {
      assert.ok(answer.data.equals(data));
      counts.answered += 1;
      return;
    }
    assert.equal(answer.status, notFound, answer.error);
    const [, named] = NOT_SERVED.exec(errorOf(answer.error)) ?? [];
    assert.equal(named, model, answer.error);
    counts.notServed += 1;
  };
  const leave = async ({ infer: client }: Client, model: string): Promise<void> => {
    const leaving = new AbortController();
    const call = client.infer(
      { model, shape: [1, 1], data: Buffer.alloc(4) },
      { signal: leaving.signal },
    );
    setImmediate(() => leaving.abort());
    // Who was quicker is open.
    await call.catch(() => undefined);
    counts.left += 1;
  };
  const work = async (client: Client): Promise<void> => {
    while (operations < count) {
      operations += 1;
      const model = dice.pick(MODELS);
      const kind = dice.roll(20);
      if (kind === 0) {
        await change(model, 'unload');
        counts.unloads += 1;
      } else if (kind <= 2) {
        if (kind === 2) await write(model, operations);
        await change(model, 'load');
        counts.loads += 1;
      } else if (kind === 3) await leave(client, model);
      else await infer(client, model);
      progress.tell(() => JSON.stringify(counts));
    }
  };

  const settled = async (): Promise<void> => {
    for (const model of MODELS) await change(model, 'unload');
    // A page of metrics without a model: all builds are gone.
    await until(async () => {
      const values = await Promise.all(MODELS.map((model) => facts.succeeded(model)));
      return values.every(Number.isNaN);
    });
    await until(async () => (await facts.poolBytes()) === 0);
  };
  for (const model of MODELS) await change(model, 'load');
  await settled();
  const before = { files: facts.files(), threads: facts.threads() };
  const overHttp = new HttpInferClient(http, CLIENTS / 2);
  const overGrpc = new GrpcInferClient(grpc);
  const clients = Array.from({ length: CLIENTS }, (_, i) =>
    i % 2 === 0
      ? { infer: overHttp, ok: 200, notFound: 404 }
      : { infer: overGrpc, ok: 0, notFound: 5 },
  );
  await Promise.all(clients.map(work));
  await overHttp[Symbol.asyncDispose]();
  await overGrpc[Symbol.asyncDispose]();
  await settled();
  await until(() => facts.files() <= before.files);
  assert.equal(facts.threads(), before.threads);
  await rm(drafts, { recursive: true });
  return { operations, ...counts };
}

export const churn: Scenario = {
  name: 'churn',
  about:
    '32 clients load, reload, unload, infer and leave at random; every answer is one that fits',
  short: { seconds: 0, count: 10_000 },
  perMinute: { count: 60_000 },
  run,
};
