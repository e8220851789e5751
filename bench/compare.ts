// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from 'node:fs';
import { measureScenario, type Sample } from './measure.ts';
import {
  parseFlags,
  prepareProcess,
  RUN_FLAGS_HELP,
  type RunOptions,
  readRunOptions,
} from './options.ts';
import { nereidPeer } from './peers.ts';
import { type BenchResult, percent, table } from './report.ts';
import { loadScenarios, METRIC_TITLES, type Metric } from './scenario.ts';
import { pairedRatio, type Ratio, unpairedRatio } from './statistics.ts';

const HELP = `npm run bench:compare -- BEFORE.json AFTER.json [--peer=NAME]
npm run bench:compare -- --before=FOLDER --after=FOLDER [flags]

Two result files: ratios of the medians of one peer (default nereid). The runs were not side by
side, so a drift of the machine counts as a change.
Two folders: built clones, measured now in interleaved rounds and compared round by round; this is
what a speed claim should rest on.

after/before with a 90 % bootstrap interval; below 1 is better.

${RUN_FLAGS_HELP}`;

const METRICS: readonly Metric[] = [
  'cpuUsPerRequest',
  'p50Us',
  'p99Us',
  'rssIdleMiB',
  'rssAfterMiB',
  'readyMs',
];

type Compare = (before: readonly number[], after: readonly number[]) => Ratio;

function compareSamples(
  title: string,
  before: readonly Sample[],
  after: readonly Sample[],
  compare: Compare,
) {
  return METRICS.flatMap((metric) => {
    const values = (samples: readonly Sample[]) =>
      samples.flatMap((sample) => sample[metric] ?? []);
    const [old, now] = [values(before), values(after)];
    if (old.length === 0 || now.length === 0) return [];
    const { ratio, low, high } = compare(old, now);
    const isEnough = Math.min(old.length, now.length) >= 3;
    const verdict = !isEnough
      ? 'too few rounds'
      : high < 1
        ? 'better'
        : low > 1
          ? '**worse**'
          : 'no difference shown';
    const interval = `${low.toFixed(3)}–${high.toFixed(3)}`;
    return [[title, METRIC_TITLES[metric], ratio.toFixed(3), interval, change(ratio), verdict]];
  });
}

function change(ratio: number): string {
  return ratio < 1 ? `−${percent(1 - ratio)}` : `+${percent(ratio - 1)}`;
}

function compareFiles(beforeFile: string, afterFile: string, peer: string): string[][] {
  const [before, after] = [beforeFile, afterFile].map(
    (file) => JSON.parse(readFileSync(file, 'utf8')) as BenchResult,
  );
  if (before?.schema !== 1 || after?.schema !== 1)
    throw new Error('not two bench results of schema 1');
  if (before.machine.cpu !== after.machine.cpu || before.machine.cores !== after.machine.cores) {
    console.error(`warning: two machines: ${before.machine.cpu} and ${after.machine.cpu}`);
  }
  return after.scenarios.flatMap(({ scenario, samples }) => {
    const twin = before.scenarios.find((other) => other.scenario.name === scenario.name);
    const own = (all: readonly Sample[]) => all.filter((sample) => sample.peer === peer);
    return compareSamples(scenario.title, own(twin?.samples ?? []), own(samples), unpairedRatio);
  });
}

async function compareBuilds(
  before: string,
  after: string,
  options: RunOptions,
): Promise<string[][]> {
  if (process.env.NEREID_ADDON !== undefined) {
    throw new Error('NEREID_ADDON is set: both folders would run that one addon; unset it');
  }
  const peers = [nereidPeer('before', before), nereidPeer('after', after)];
  prepareProcess(options);
  const rows: string[][] = [];
  for (const scenario of loadScenarios(options.only)) {
    console.error(scenario.title);
    const say = (line: string) => console.error(line);
    const { samples } = await measureScenario(scenario, peers, {
      ...options,
      withLoops: false,
      say,
    });
    const of = (peer: string, round: number) =>
      samples.find((sample) => sample.peer === peer && sample.round === round);
    // Only rounds in which both sides finished are pairs.
    const pairs = Array.from({ length: options.rounds }, (_, i) => [
      of('before', i + 1),
      of('after', i + 1),
    ]).filter((pair): pair is [Sample, Sample] => pair.every((sample) => sample !== undefined));
    const [old, now] = [pairs.map(([sample]) => sample), pairs.map(([, sample]) => sample)];
    rows.push(...compareSamples(scenario.title, old, now, pairedRatio));
  }
  return rows;
}

async function main(): Promise<number> {
  const { values, positionals } = parseFlags({
    peer: { type: 'string', default: 'nereid' },
    before: { type: 'string', default: '' },
    after: { type: 'string', default: '' },
  });
  const { before, after, peer, help } = values;
  const [beforeFile, afterFile] = positionals;
  let rows: string[][];
  if (help === true) {
    console.log(HELP);
    return 0;
  }
  if (before !== '' && after !== '') {
    rows = await compareBuilds(String(before), String(after), readRunOptions(values));
  } else if (beforeFile !== undefined && afterFile !== undefined) {
    rows = compareFiles(beforeFile, afterFile, String(peer));
  } else {
    console.error(HELP);
    return 2;
  }
  if (rows.length === 0)
    throw new Error(`no scenario was measured on both sides for peer '${peer}'`);
  console.log(
    table(['case', 'figure', 'after/before', '90 % interval', 'change', 'verdict'], rows).join(
      '\n',
    ),
  );
  return 0;
}

try {
  process.exit(await main());
} catch (error) {
  console.error(`bench:compare: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(2);
}
