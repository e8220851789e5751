// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ServerProcess } from '../test/support/server-process.ts';
import { type OpenLoopResult, runOpenLoop } from './open-loop.ts';
import { table } from './report.ts';
import { quantile } from './statistics.ts';

const HELP = `node bench/latency-target.ts [--seconds=6] [--json]

Holds latency_target_ms against a sweep of fixed settings of dynamic batching: requests of one row come
at random to a model whose batches take 4 ms and 0.25 ms for each row (the test backend sleep, so
the machine's speed does not matter). About two minutes. Exit code 1 when a goal is missed.`;

const FIXED_MS = 4;
const ROW_MS = 0.25;
const MAX_ROWS = 32;
const TARGET_MS = 60;
const LOADS = [0.5, 0.9];
const WARM_UP_S = 2;
/** At a tenth of what single rows can be served there are few requests a second. */
const QUIET_FACTOR = 2;

const GOALS = { throughput: 0.95, median: 1.05 } as const;

/** Requests a second of batches of so many rows. */
const capacity = (rows: number): number => (1000 * rows) / (FIXED_MS + ROW_MS * rows);

interface Setting {
  readonly name: string;
  readonly title: string;
  readonly config: string;
}

const parameter = (key: string, value: number): string =>
  `parameters { key: "${key}" value { string_value: "${value}" } }\n`;

const target: Setting = {
  name: 'target',
  title: `latency_target_ms ${TARGET_MS}`,
  config: `dynamic_batching { }\n${parameter('latency_target_ms', TARGET_MS)}`,
};
const unbatched: Setting = { name: 'unbatched', title: 'no batching', config: '' };
const fixed: readonly Setting[] = [
  unbatched,
  ...[
    [0, MAX_ROWS],
    [2, 8],
    [5, 16],
    [10, MAX_ROWS],
    [20, MAX_ROWS],
  ].map(([waitMs = 0, rows = 1]) => ({
    name: `fixed-${waitMs}-${rows}`,
    title: `wait ${waitMs} ms for ${rows}`,
    config: `dynamic_batching { preferred_batch_size: ${rows} max_queue_delay_microseconds: ${waitMs * 1000} }\n`,
  })),
];

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '6' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return true;
  }
  const seconds = Number(values.seconds);
  const repository = mkdtempSync(join(tmpdir(), 'nereid-latency-target-'));
  for (const setting of [target, ...fixed]) addModel(repository, setting);
  await using server = await ServerProcess.start({
    name: 'nereid',
    command: process.execPath,
    args: [
      fileURLToPath(new URL('../bin/tritonserver', import.meta.url)),
      `--model-repository=${repository}`,
      '--enable-test-backends',
      '--tuning-api=true',
      ...['http', 'grpc', 'metrics'].flatMap((service) => [
        `--${service}-address=127.0.0.1`,
        `--${service}-port=0`,
      ]),
    ],
    cleanUp: async () => rmSync(repository, { recursive: true, force: true }),
  });
  const at = server.endpoints.http;
  const body = JSON.stringify({
    inputs: [{ name: 'IN', shape: [1, 1], datatype: 'INT32', data: [1] }],
  });
  const run = (setting: Setting, perSecond: number, factor = 1): Promise<OpenLoopResult> =>
    runOpenLoop({
      at,
      path: `/v2/models/${setting.name}/infer`,
      body,
      perSecond,
      warmUpS: WARM_UP_S,
      seconds: seconds * factor,
      seed: 1,
    });

  const rows: string[][] = [];
  const add = (load: string, setting: Setting, result: OpenLoopResult): void => {
    if (result.failed > 0) throw new Error(`${setting.name}: ${result.failed} requests failed`);
    const ms = (q: number): string => quantile(result.latenciesMs, q).toFixed(2);
    rows.push([load, setting.title, result.perSecond.toFixed(0), ms(0.5), ms(0.9), ms(0.99)]);
  };
  const found: { goal: string; is: number; atLeast?: number; atMost?: number }[] = [];
  for (const load of LOADS) {
    const perSecond = load * capacity(MAX_ROWS);
    let best = 0;
    for (const setting of fixed) {
      // Single rows cannot keep up: their queue would outlast the bench.
      if (setting === unbatched && perSecond > capacity(1)) continue;
      const result = await run(setting, perSecond);
      add(`${load * 100} %`, setting, result);
      best = Math.max(best, result.perSecond);
    }
    const result = await run(target, perSecond);
    add(`${load * 100} %`, target, result);
    found.push({
      goal: `throughput at ${load * 100} % load / best fixed setting`,
      is: result.perSecond / best,
      atLeast: GOALS.throughput,
    });
  }
  const quiet = 0.1 * capacity(1);
  const [alone, chosen] = [
    await run(unbatched, quiet, QUIET_FACTOR),
    await run(target, quiet, QUIET_FACTOR),
  ];
  add('10 % of single rows', unbatched, alone);
  add('10 % of single rows', target, chosen);
  found.push({
    goal: 'median at 10 % load / without batching',
    is: quantile(chosen.latenciesMs, 0.5) / quantile(alone.latenciesMs, 0.5),
    atMost: GOALS.median,
  });

  const batching = await (await fetch(`http://${at}/v2/models/${target.name}/batching`)).json();
  if (values.json) console.log(JSON.stringify({ rows, found, batching }));
  else {
    console.log(
      table(['load', 'setting', 'answers/s', 'p50 ms', 'p90 ms', 'p99 ms'], rows).join('\n'),
    );
    for (const { goal, is, atLeast, atMost } of found) {
      const bound = atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`;
      console.log(`${goal}: ${is.toFixed(3)} (${bound})`);
    }
  }
  return found.every(
    ({ is, atLeast = 0, atMost = Number.POSITIVE_INFINITY }) => is >= atLeast && is <= atMost,
  );
}

function addModel(repository: string, { name, config }: Setting): void {
  mkdirSync(join(repository, name, '1'), { recursive: true });
  writeFileSync(
    join(repository, name, 'config.pbtxt'),
    `backend: "sleep"
max_batch_size: ${MAX_ROWS}
input [{ name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }]
output [{ name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }]
${config}${parameter('sleep_us', FIXED_MS * 1000)}${parameter('sleep_us_per_row', ROW_MS * 1000)}`,
  );
}

process.exitCode = (await main()) ? 0 : 1;
