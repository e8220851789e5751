// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Figures of scheduling, composition and life cycle that the scenarios of `npm run bench` do not have: what idle models,
 * ensembles, sequences and the response cache cost, and how soon requests leave the queue or are refused. About two minutes.
 *
 *   npm run bench:scheduling -- --rounds=3
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { projectRoot } from '../test/support/nereid.ts';
import { readCommit, readMachineCard } from './machine.ts';
import { measureEnsembles } from './scheduling/ensembles.ts';
import type { Figure } from './scheduling/figure.ts';
import { measureIdleModels } from './scheduling/idle-models.ts';
import { measureQueue } from './scheduling/queue.ts';
import { measureResponseCache } from './scheduling/response-cache.ts';
import { measureSequences } from './scheduling/sequences.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    requests: { type: 'string', default: '20000' },
    only: { type: 'string', default: '' },
    out: { type: 'string', default: join(projectRoot, 'bench/results') },
  },
});
const effort = { rounds: Number(values.rounds), requests: Number(values.requests) };
const subjects = {
  'idle-models': measureIdleModels,
  ensembles: measureEnsembles,
  sequences: measureSequences,
  'response-cache': measureResponseCache,
  queue: measureQueue,
};
const only = values.only === '' ? [] : values.only.split(',');
const unknown = only.find((name) => !(name in subjects));
if (unknown !== undefined) {
  console.error(`--only: no '${unknown}'; there are ${Object.keys(subjects).join(', ')}`);
  process.exit(2);
}

const startedAt = new Date().toISOString();
const figures: Figure[] = [];
for (const [what, measure] of Object.entries(subjects)) {
  if (only.length > 0 && !only.includes(what)) continue;
  console.log(`measuring ${what} …`);
  for (const figure of await measure(effort)) {
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
