// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0
//
// Plays the conformance cases and the real Triton clients at the real Triton and at both infer paths of
// Nereid. README.md in this folder says how to run it, to choose cases and to record new ones.

import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { addModels } from '../support/model-repository.ts';
import { projectRoot, startNereid } from '../support/nereid.ts';
import { type Endpoints, killAllServers, type ServerProcess } from '../support/server-process.ts';
import { prepareTriton, startTriton, type TritonWheel } from '../support/triton.ts';

interface World {
  readonly models: 'all' | readonly string[];
  readonly late: 'broken' | readonly string[];
  readonly args: readonly string[];
  /** what Triton 2.51 does without a flag, and does not know one for */
  readonly nereid_args?: readonly string[];
}

interface CaseFile {
  readonly world: string;
  readonly cases: readonly { readonly name: string; readonly only?: { readonly server: string } }[];
}

interface Result {
  readonly name: string;
  readonly problems: readonly string[];
}

type ServerName = 'triton' | 'native' | 'threaded' | 'typescript';
type Running = ServerProcess & { endpoints: Endpoints };

const SERVER_NAMES: readonly ServerName[] = ['triton', 'native', 'threaded', 'typescript'];

/** What each of Nereid's ways to run a request is started with. */
const NEREID_ARGS: Record<Exclude<ServerName, 'triton'>, readonly string[]> = {
  native: ['--infer-path=native'],
  threaded: ['--infer-path=native', '--inline-execution=off'],
  typescript: ['--infer-path=typescript'],
};
const SHOWN_LOG_CHARS = 4000;
const MOST_PLAYS = 3;
const EXAMPLE_MODELS = ['simple', 'simple_string', 'simple_identity'];

const { values: options } = parseArgs({
  options: {
    servers: { type: 'string', default: SERVER_NAMES.join(',') },
    without: { type: 'string', default: process.env['NEREID_WITHOUT'] ?? '' },
    only: { type: 'string', default: '' },
    world: { type: 'string', default: '' },
    record: { type: 'boolean', default: false },
    force: { type: 'boolean', default: false },
    log: { type: 'boolean', default: false },
    'write-versions': { type: 'boolean', default: false },
  },
});

const python = process.env['NEREID_TEST_PYTHON'] ?? 'python3';
const counts = { passed: 0, failed: 0, skipped: 0 };

function report({ name, problems }: Result): void {
  if (problems.length === 0) {
    counts.passed += 1;
    return;
  }
  counts.failed += 1;
  console.log(`not ok - ${name}`);
  for (const problem of problems) console.log(`    ${problem}`);
}

function chosenServers(): ServerName[] {
  if (options.record) return ['triton'];
  const without = options.without.split(',');
  const wanted = options.servers.split(',');
  return SERVER_NAMES.filter((name) => wanted.includes(name) && !without.includes(name));
}

async function fixtureModels(world: World): Promise<readonly string[]> {
  if (world.models !== 'all') return world.models;
  const fixtures = await readdir(join(projectRoot, 'test/fixtures/models'));
  return [...EXAMPLE_MODELS, ...fixtures];
}

async function lateModels(world: World): Promise<readonly string[]> {
  return world.late === 'broken' ? readdir(join(projectRoot, 'test/fixtures/broken')) : world.late;
}

async function start(
  name: ServerName,
  world: World,
  workDir: string,
  wheel: () => Promise<TritonWheel>,
): Promise<Running> {
  const repository = join(workDir, name);
  await addModels(repository, await fixtureModels(world));
  const args = [`--model-repository=${repository}`, ...world.args];
  const server =
    name === 'triton'
      ? await startTriton({ wheel: await wheel(), args })
      : await startNereid({
          name,
          args: [
            ...args,
            ...(world.nereid_args ?? []),
            ...NEREID_ARGS[name],
            '--enable-test-backends',
            // As Triton's; what is answered without the flag is an end-to-end test's.
            '--json-health-bodies=false',
          ],
        });
  await addModels(repository, await lateModels(world));
  return server;
}

/** Runs a module of the player; returns each line it prints and its end. Whatever else it does is on stderr. */
async function runPlayer(title: string, args: readonly string[]): Promise<Result[]> {
  const player = spawn(python, ['-m', ...args], {
    cwd: join(projectRoot, 'test/conformance'),
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
  });
  const exited = new Promise<string>((resolve) => {
    player.once('exit', (code, signal) => resolve(String(signal ?? code)));
    player.once('error', (error) => resolve(String(error)));
  });
  const results: Result[] = [];
  for await (const line of createInterface({ input: player.stdout })) {
    results.push(JSON.parse(line) as Result);
  }
  const code = await exited;
  results.push({ name: title, problems: code === '0' ? [] : [`it ended with ${code}`] });
  return results;
}

async function play(
  worldName: string,
  servers: ReadonlyMap<ServerName, Running>,
): Promise<Result[]> {
  const args = ['player', `--world=${worldName}`, `--only=${options.only}`];
  if (options.record) args.push('--record');
  if (options.force) args.push('--force');
  for (const [name, { endpoints }] of servers) {
    const kind = name === 'triton' ? 'triton' : 'nereid';
    args.push(`--server=${name}=${kind},${endpoints.http},${endpoints.grpc},${endpoints.metrics}`);
  }
  return runPlayer(`${worldName}: the player ends well`, args);
}

async function stop(worldName: string, name: ServerName, server: Running): Promise<Result> {
  const died = server.hasExited;
  const { code, signal } = await server.stop();
  const problems: string[] = [];
  if (died) problems.push(`it ended by itself (${signal ?? code})`);
  // How the real Triton ends is not ours to judge.
  else if (name !== 'triton' && code !== 0)
    problems.push(`SIGTERM ended it with ${signal ?? code}`);
  if (problems.length > 0 || options.log) console.log(server.log.slice(-SHOWN_LOG_CHARS));
  return { name: `${name}: ${worldName}: ends when told to`, problems };
}

/** Starts the servers, plays a world at them and stops them; `lost` are those that ended by themselves. */
async function playAt(
  names: readonly ServerName[],
  worldName: string,
  world: World,
  folder: string,
  wheel: () => Promise<TritonWheel>,
): Promise<{ results: Result[]; lost: Set<ServerName> }> {
  await mkdir(folder);
  const servers = new Map<ServerName, Running>();
  const results: Result[] = [];
  const lost = new Set<ServerName>();
  const starts = names.map(async (name) => {
    try {
      servers.set(name, await start(name, world, folder, wheel));
    } catch (error) {
      results.push({ name: `${name}: ${worldName}: starts`, problems: [String(error)] });
      lost.add(name);
    }
  });
  await Promise.all(starts);
  try {
    if (servers.size > 0) results.push(...(await play(worldName, servers)));
  } finally {
    for (const [name, server] of servers) if (server.hasExited) lost.add(name);
    const stops = [...servers].map(([name, server]) => stop(worldName, name, server));
    results.push(...(await Promise.all(stops)));
  }
  return { results, lost };
}

/**
 * Plays a world, and again at the real Triton alone where that one ended by itself: it does so now and then in cases
 * that it answers in every other run. What it fails in every play counts as failed; Nereid is played once.
 */
async function playWorld(
  worldName: string,
  world: World,
  workDir: string,
  wheel: () => Promise<TritonWheel>,
): Promise<void> {
  let names = chosenServers();
  for (let attempt = 1; names.length > 0; attempt++) {
    const folder = join(workDir, `${worldName}-${attempt}`);
    const { results, lost } = await playAt(names, worldName, world, folder, wheel);
    const again = lost.has('triton') && attempt < MOST_PLAYS && !options.record;
    const isSetAside = ({ name }: Result): boolean => again && name.startsWith('triton: ');
    for (const result of results) if (!isSetAside(result)) report(result);
    if (again) {
      const first = results.find((result) => isSetAside(result) && result.problems.length > 0);
      console.log(`again - the real Triton ended by itself; first seen in ${first?.name}`);
    }
    names = again ? ['triton'] : [];
  }
}

async function countSkipped(worldName: string): Promise<void> {
  if (!options.without.split(',').includes('triton')) return;
  const folder = join(projectRoot, 'test/conformance/cases');
  for (const file of (await readdir(folder)).sort()) {
    const contents = JSON.parse(await readFile(join(folder, file), 'utf8')) as CaseFile;
    if (contents.world !== worldName) continue;
    const count = contents.cases.filter(
      ({ only }) => (only?.server ?? 'triton') === 'triton',
    ).length;
    counts.skipped += count;
    console.log(
      `skipped - triton: ${file.replace('.json', '')} (${count} cases, --without=triton)`,
    );
  }
}

const worlds = JSON.parse(
  await readFile(join(projectRoot, 'test/conformance/worlds.json'), 'utf8'),
) as Record<string, World>;
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => {
    void killAllServers()
      .then(() => rm(workDir, { recursive: true, force: true }))
      .finally(() => process.exit(code));
  });
}
const workDir = await mkdtemp(join(tmpdir(), 'nereid-conformance-'));
try {
  const tests = ['unittest', '--quiet', 'player.test_player'];
  (await runPlayer('the tests of the player', tests)).forEach(report);
  const pageOption = options['write-versions'] ? ['--write-versions'] : ['--check-versions'];
  if (!options.record) {
    (await runPlayer('the page of differences', ['player', ...pageOption])).forEach(report);
  }
  let prepared: Promise<TritonWheel> | undefined;
  const wheel = (): Promise<TritonWheel> => {
    prepared ??= prepareTriton(python, workDir);
    return prepared;
  };
  for (const [name, world] of Object.entries(worlds)) {
    if (options.world !== '' && options.world !== name) continue;
    await playWorld(name, world, workDir, wheel);
    await countSkipped(name);
  }
} finally {
  await rm(workDir, { recursive: true, force: true });
}
const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
console.log(`${counts.passed} passed, ${counts.failed} failed${skipped}`);
process.exitCode = counts.failed > 0 ? 1 : 0;
