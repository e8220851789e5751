// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Builds the simulation of the scheduler (native/scheduler/simulation) and runs it. Says every ten million events how
 * far it is; when something was wrong, it says what, with the command that does it again, and ends with code 1.
 *
 *   npm run simulate -- --events=1e8 --seed=7
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { root, stateFolder } from './lib/paths.mjs';
import { findBuildTool, requireTools } from './lib/requirements.mjs';
import { runTool } from './lib/run.mjs';

const HELP = `npm run simulate -- [--events=1e6] [--seed=N] [--save]

  --events   how much must happen in the simulated models together (default 1e6; 1e8 takes a few minutes)
  --seed     of the first model; the next one has the next number (default: by chance)
  --save     writes what it printed to native/scheduler/simulation/results
  --program  a built scheduler_simulation, instead of building one`;

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '1e6' },
    seed: { type: 'string' },
    save: { type: 'boolean', default: false },
    program: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

function integer(name: string, text: string): number {
  const number = Number(text);
  if (text === '' || !Number.isSafeInteger(number) || number < 0) {
    console.error(`--${name}: expected a whole number, got '${text}'`);
    process.exit(2);
  }
  return number;
}

async function build(): Promise<string> {
  requireTools(['compiler', 'cmake', 'make']);
  const folder = join(stateFolder, 'build', 'simulation');
  const generator = findBuildTool() === 'ninja' ? 'Ninja' : 'Unix Makefiles';
  const settings = ['-DCMAKE_BUILD_TYPE=Release', '-DNEREID_TESTS=ON', '-DNEREID_ADDON=OFF'];
  const configure = ['-S', root, '-B', folder, '-G', generator, ...settings];
  await runTool('simulation-configure', 'The set-up of the build', 'cmake', configure);
  const target = ['--target', 'scheduler_simulation', '--parallel', String(availableParallelism())];
  await runTool('simulation-build', 'The build', 'cmake', ['--build', folder, ...target]);
  return join(folder, 'tests', 'scheduler_simulation');
}

function save(lines: readonly string[]): void {
  const folder = join(root, 'native', 'scheduler', 'simulation', 'results');
  mkdirSync(folder, { recursive: true });
  const date = new Date().toISOString().slice(0, 19);
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root });
  const file = join(folder, `${date.replaceAll(':', '-')}.txt`);
  writeFileSync(file, `${[`${date}Z, commit ${commit.toString().trim()}`, ...lines].join('\n')}\n`);
  console.log(`written: ${file}`);
}

if (values.help) {
  console.log(HELP);
} else {
  const events = integer('events', values.events);
  const seed = integer('seed', values.seed ?? String(Math.floor(Math.random() * 1e9)));
  const program = values.program ?? (await build());
  const lines: string[] = [];
  const print = (line: string): void => {
    lines.push(line);
    console.log(line);
  };
  const start = performance.now();
  print(`seed ${seed}`);
  const child = spawn(program, [String(events), String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const code = new Promise<number>((resolve) => {
    child.on('error', (error) => {
      console.error(`${program}: ${error.message}`);
      resolve(2);
    });
    child.on('close', (ended) => resolve(ended ?? 1));
  });
  for await (const line of createInterface({ input: child.stdout })) {
    print(line);
    const wrong = /^seed (\d+): /.exec(line);
    if (wrong !== null) console.log(`again: npm run simulate -- --events=1 --seed=${wrong[1]}`);
  }
  process.exitCode = await code;
  const seconds = Math.round((performance.now() - start) / 1000);
  if (values.save) save([...lines, `ended with code ${process.exitCode} after ${seconds} s`]);
}
