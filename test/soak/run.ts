// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Runs scenarios for a long time; their short forms are test/e2e/soak.test.ts. Says every ten seconds how far it is,
 * and ends with code 1 when something did not hold.
 *
 *   npm run soak -- --minutes=20 --scenario=mixed
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { projectRoot } from '../support/nereid.ts';
import { killAllServers } from '../support/server-process.ts';
import type { Figures, Scenario } from './scenario.ts';
import { scenarios } from './scenarios.ts';

const { values } = parseArgs({
  options: {
    scenario: { type: 'string', default: '' },
    minutes: { type: 'string', default: '1' },
    count: { type: 'string', default: '' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    save: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const HELP = `npm run soak -- [--scenario=a,b] [--minutes=1] [--count=N] [--seed=N] [--save]

  --scenario  which ones; all when left out
  --minutes   of each, about
  --count     of answers, waves, restarts or operations, in place of what fits into the minutes
  --seed      of the numbers that look random (default: by chance)
  --save      writes the figures to test/soak/results

${scenarios.map(({ name, about }) => `  ${name.padEnd(18)}${about}`).join('\n')}`;

interface Outcome {
  readonly scenario: string;
  readonly seconds: number;
  readonly figures: Figures;
  readonly error?: string;
}

async function play(scenario: Scenario, seed: number): Promise<Outcome> {
  const minutes = Number(values.minutes);
  const count =
    values.count === '' ? Math.ceil(scenario.perMinute.count * minutes) : Number(values.count);
  const start = Date.now();
  const seconds = (): number => Math.round((Date.now() - start) / 1000);
  const log = (line: string): void => console.log(`${scenario.name}, ${seconds()} s: ${line}`);
  log(scenario.about);
  try {
    const figures = await scenario.run({ seconds: minutes * 60, count, seed, log });
    log(`held: ${JSON.stringify(figures)}`);
    return { scenario: scenario.name, seconds: seconds(), figures };
  } catch (error) {
    log(`did not hold: ${error instanceof Error ? error.stack : String(error)}`);
    console.log(
      `again: npm run soak -- --scenario=${scenario.name} --minutes=${values.minutes} --seed=${seed}`,
    );
    return { scenario: scenario.name, seconds: seconds(), figures: {}, error: String(error) };
  }
}

function save(outcomes: readonly Outcome[], seed: number): void {
  const folder = join(projectRoot, 'test/soak/results');
  mkdirSync(folder, { recursive: true });
  const date = new Date().toISOString().slice(0, 19).replaceAll(':', '-');
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: projectRoot });
  const [cpu] = cpus();
  const report = {
    date,
    commit: commit.toString().trim(),
    node: process.version,
    machine: `${cpus().length} × ${cpu?.model ?? 'unknown'}`,
    seed,
    outcomes,
  };
  const file = join(folder, `${date}.json`);
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  console.log(`written: ${file}`);
}

const wanted = values.scenario === '' ? [] : values.scenario.split(',');
const unknown = wanted.find((name) => !scenarios.some((one) => one.name === name));
const seed = Number(values.seed);
if (values.help) {
  console.log(HELP);
} else if (unknown !== undefined) {
  console.error(`--scenario: no '${unknown}'; see --help`);
  process.exitCode = 2;
} else if (!(Number(values.minutes) > 0) || !Number.isSafeInteger(seed) || seed < 0) {
  console.error('--minutes: a number over 0; --seed: a whole number');
  process.exitCode = 2;
} else {
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void killAllServers().finally(() => process.exit(1)));
  console.log(`seed ${seed}`);
  const outcomes: Outcome[] = [];
  for (const scenario of scenarios)
    if (wanted.length === 0 || wanted.includes(scenario.name))
      outcomes.push(await play(scenario, seed));
  if (values.save) save(outcomes, seed);
  if (outcomes.some(({ error }) => error !== undefined)) process.exitCode = 1;
}
