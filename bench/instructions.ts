// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { table } from './report.ts';

const HELP = `node bench/instructions.ts [--before=PROGRAM] [--only=grpc,grpc-miss] PROGRAM

PROGRAM is a built native/testing/request_cost. Prints how many instructions one small infer request
takes on the I/O thread, as callgrind counts them, which no neighbour on the machine changes: two runs
with different counts of requests, the difference divided. Needs valgrind.`;

const PROTOCOLS = ['http-json', 'http-binary', 'grpc', 'grpc-8', 'grpc-hit', 'grpc-miss'];
/** Enough for the first, dearer ones not to be seen. */
const COUNTS = [800, 2800] as const;
const ATTEMPTS = 20;
/** Share of the work that other threads may have: they wake now and then for what a turn leaves. */
const ELSEWHERE = 0.005;

/** Instructions of each thread, by its number. */
function countThreads(program: string, protocol: string, requests: number): Map<string, number> {
  const folder = mkdtempSync(join(tmpdir(), 'nereid-instructions-'));
  try {
    const flags = ['--tool=callgrind', '--separate-threads=yes'];
    const out = `--callgrind-out-file=${join(folder, 'out')}`;
    execFileSync('valgrind', [...flags, out, program, protocol, String(requests)], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const files = readdirSync(folder).filter((name) => name.startsWith('out-'));
    return new Map(
      files.map((name) => {
        const text = readFileSync(join(folder, name), 'utf8');
        return [name, Number(/^(?:totals|summary): (\d+)/m.exec(text)?.[1] ?? Number.NaN)];
      }),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * The I/O thread's instructions a request. Under valgrind the model may look too slow for its I/O
 * thread and run on its own; such a run says nothing and is repeated.
 */
function perRequest(program: string, protocol: string): number {
  const [few, many] = COUNTS;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const before = countThreads(program, protocol, few);
    const after = countThreads(program, protocol, many);
    const [io = 0, , ...others] = [...after]
      .map(([thread, count]) => (count - (before.get(thread) ?? 0)) / (many - few))
      .sort((a, b) => b - a);
    // The second is the client.
    if (others.every((count) => Math.abs(count) < io * ELSEWHERE)) return io;
  }
  throw new Error(`${protocol}: the model left its I/O thread in each of ${ATTEMPTS} runs`);
}

const { values, positionals } = parseArgs({
  options: { before: { type: 'string' }, only: { type: 'string', default: PROTOCOLS.join() } },
  allowPositionals: true,
});
const [program] = positionals;
const only = values.only.split(',');
if (program === undefined || only.some((name) => !PROTOCOLS.includes(name))) {
  console.error(HELP);
  process.exit(2);
}
const rows = only.map((protocol) => {
  const now = perRequest(program, protocol);
  if (values.before === undefined) return [protocol, now.toFixed(0)];
  const before = perRequest(values.before, protocol);
  return [protocol, now.toFixed(0), before.toFixed(0), (now / before).toFixed(4)];
});
const head = values.before === undefined ? [] : ['before', 'ratio'];
console.log(table(['request', 'instructions', ...head], rows).join('\n'));
