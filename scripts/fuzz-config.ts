// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// npm run fuzz:config [-- --seconds=60] [--seed=1]
//
// Feeds configurations, names and keys near those of test/fuzz/config to their readers, and stops at the first that
// breaks a property of scripts/fuzz/config-properties.ts. The same seed gives the same texts. What it finds goes into
// the corpus, which scripts/fuzz-config.test.ts replays.

import { parseArgs } from 'node:util';
import { check, KINDS, type Kind } from './fuzz/config-properties.ts';
import { wordsOf } from './fuzz/config-words.ts';
import { corpusOf } from './fuzz/corpus.ts';
import { mutate, Random } from './fuzz/mutator.ts';
import { StepCounter } from './fuzz/steps.ts';

const BATCH = 100;
/** Steps that a text may take besides those for each of its characters. */
const STEPS = 20_000;
const STEPS_PER_CHARACTER = 500;
/** Texts that brought new blocks and are mutated further; the oldest makes room. */
const KEPT = 500;

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' } },
});
const random = new Random(Number(values.seed));
const seeds: Record<Kind, readonly string[]> = {
  pbtxt: corpusOf('pbtxt'),
  json: corpusOf('json'),
  name: corpusOf('name'),
};
const words = { pbtxt: wordsOf('pbtxt'), json: wordsOf('json'), name: wordsOf('name') };
const kept: Record<Kind, string[]> = { pbtxt: [], json: [], name: [] };
const most = { pbtxt: 0, json: 0, name: 0 };
const counts = { pbtxt: 0, json: 0, name: 0 };

function next(kind: Kind): string {
  const from = random.below(3) === 0 ? kept[kind] : seeds[kind];
  const text = random.pick(from, random.pick(seeds[kind], ''));
  return mutate(text, random.pick(seeds[kind], ''), words[kind], random);
}

function run(kind: Kind, text: string): void {
  try {
    check(kind, text);
  } catch (error) {
    console.error(`${kind}, input ${counts[kind]}: ${JSON.stringify(text)}`);
    throw error;
  }
  counts[kind] += 1;
}

const counter = new StepCounter();
await counter.start();
await using _ = counter;
const end = Date.now() + Number(values.seconds) * 1000;
while (Date.now() < end) {
  for (const kind of KINDS) {
    const texts = Array.from({ length: BATCH }, () => next(kind));
    for (const text of texts) run(kind, text);
    const { steps, blocks } = await counter.take();
    const characters = texts.reduce((sum, text) => sum + text.length, 0);
    if (steps > BATCH * STEPS + characters * STEPS_PER_CHARACTER) {
      throw new Error(`${steps} steps for ${characters} characters:\n${JSON.stringify(texts)}`);
    }
    // Batches that reach more than any before lead to what is near them.
    if (blocks < most[kind]) continue;
    most[kind] = blocks;
    kept[kind].push(...texts);
    kept[kind].splice(0, Math.max(0, kept[kind].length - KEPT));
  }
}
console.log(JSON.stringify({ seed: Number(values.seed), inputs: counts, blocks: most }));
