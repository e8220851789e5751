// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readCommit, readMachineCard } from './machine.ts';
import { measureScenario } from './measure.ts';
import {
  parseFlags,
  prepareProcess,
  RUN_FLAGS_HELP,
  readRunOptions,
  splitList,
} from './options.ts';
import { floorPeer, nereidPeer, type Peer, tritonPeer } from './peers.ts';
import { type BenchResult, judge, summarize, writeReport } from './report.ts';
import { loadScenarios } from './scenario.ts';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const PEERS = ['nereid', 'triton', 'floors'] as const;

const HELP = `npm run bench -- [flags]: server CPU per request of Nereid, Triton and bare floors

  --peers=A,B         any of ${PEERS.join(', ')} (default: all)
  --checkout=FOLDER   built clone whose bin/tritonserver is measured as nereid (default: this one)
  --out=FOLDER        where the result goes (default: bench/results); --out=none writes nothing
${RUN_FLAGS_HELP}

Environment: NEREID_ONNXRUNTIME (libonnxruntime.so.1), NEREID_TRITON_VENV (venv with nvidia-pytriton),
NEREID_BENCH_BUILD (build folder of bench/peers). Method and traps: bench/README.md.`;

/** The peers asked for. One that is missing is an error only if it was asked for by name. */
function choosePeers(
  asked: readonly string[],
  checkout: string,
): { peers: Peer[]; skipped: string[] } {
  const unknown = asked.find((name) => !PEERS.some((peer) => peer === name));
  if (unknown !== undefined)
    throw new Error(`--peers: '${unknown}' is none of ${PEERS.join(', ')}`);
  const peers: Peer[] = [];
  const skipped: string[] = [];
  const add = (name: string, make: () => Peer) => {
    if (asked.length > 0 && !asked.includes(name)) return;
    try {
      peers.push(make());
    } catch (error) {
      if (asked.includes(name) || !(error instanceof Error)) throw error;
      skipped.push(error.message);
    }
  };
  add('nereid', () => nereidPeer('nereid', checkout));
  add('triton', tritonPeer);
  add('floors', () => floorPeer('http1-floor'));
  add('floors', () => floorPeer('http2-floor'));
  return { peers, skipped };
}

async function main(): Promise<number> {
  const { values } = parseFlags({
    peers: { type: 'string', default: '' },
    checkout: { type: 'string', default: join(HERE, '..') },
    out: { type: 'string', default: join(HERE, 'results') },
  });
  if (values.help === true) {
    console.log(HELP);
    return 0;
  }
  const options = readRunOptions(values);
  const asked = splitList(String(values.peers));
  const { peers, skipped } = choosePeers(asked, String(values.checkout));
  const scenarios = loadScenarios(options.only);
  prepareProcess(options);
  for (const why of skipped) console.error(`left out: ${why}`);

  const startedAt = new Date().toISOString();
  const machine = readMachineCard();
  const commit = readCommit(String(values.checkout));
  const withLoops = asked.length === 0 || asked.includes('floors');
  const results: BenchResult['scenarios'][number][] = [];
  for (const scenario of scenarios) {
    console.error(scenario.title);
    const fitting = peers.filter(({ name, isFloor }) => !isFloor || scenario.floors.includes(name));
    const say = (line: string) => console.error(line);
    const result = await measureScenario(scenario, fitting, { ...options, withLoops, say });
    const summary = summarize(result.samples);
    results.push({ ...result, summary, verdicts: judge(scenario.limits, summary) });
  }
  const result: BenchResult = {
    schema: 1,
    startedAt,
    finishedAt: new Date().toISOString(),
    commit,
    machine,
    options: { ...options },
    peers: peers.map(({ name }) => name),
    skippedPeers: skipped,
    scenarios: results,
  };
  const report = writeReport(result);
  console.log(report);
  if (values.out !== 'none') save(result, report, resolve(String(values.out)));
  return results.some(({ failures }) => failures.length > 0) ? 1 : 0;
}

function save(result: BenchResult, report: string, folder: string): void {
  mkdirSync(folder, { recursive: true });
  const base = join(folder, result.startedAt.slice(0, 19).replaceAll(':', '-'));
  writeFileSync(`${base}.json`, `${JSON.stringify(result, null, 1)}\n`);
  writeFileSync(`${base}.md`, report);
  console.error(`written: ${base}.json and .md`);
}

try {
  process.exit(await main());
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(2);
}
