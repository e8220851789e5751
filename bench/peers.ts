// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { execFileSync, spawnSync } from 'node:child_process';
import {
  accessSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tlsFlags } from './certificate.ts';
import { labelFile } from './classes.ts';
import { cannedAnswer, makePayload } from './payload.ts';
import { freePorts, PinnedServer } from './pinned-server.ts';
import type { Scenario } from './scenario.ts';

/** A started peer, ready to be measured. */
export interface Running {
  readonly server: PinnedServer;
  /** Port of the scenario's protocol. */
  readonly port: number;
  readonly httpPort: number | undefined;
  /** Undefined for floors. */
  readonly readyMs: number | undefined;
}

export interface Peer {
  readonly name: string;
  /** Floors answer without doing the work; they show what is left to win. */
  readonly isFloor: boolean;
  /** @param folder empty folder for the repository and the log */
  start(scenario: Scenario, folder: string, core: number): Promise<Running>;
}

const HERE = fileURLToPath(new URL('.', import.meta.url));
const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'nereid');

const TRITON_BINARY = join('pytriton', 'tritonserver', 'bin', 'tritonserver');

/** @param checkout a built clone: its bin/tritonserver is started */
export function nereidPeer(name: string, checkout: string): Peer {
  const script = join(resolve(checkout), 'bin', 'tritonserver');
  if (!existsSync(script)) throw new Error(`peer '${name}': there is no ${script}`);
  return {
    name,
    isFloor: false,
    async start(scenario, folder, core) {
      const repository = stageRepository(folder, scenario, (config) => config);
      return startServer(scenario, folder, core, {
        // The Node that runs the bench, since the first one on PATH may be too old.
        file: process.execPath,
        args: [script, `--model-repository=${repository}`, ...nereidArgs(scenario)],
        env: {},
      });
    },
  };
}

/** Triton 2.51 has shared memory on and knows no flag for it; `stream` is a test backend here. */
const nereidArgs = ({ sharedMemory, model }: Scenario): readonly string[] => [
  ...(sharedMemory === true ? ['--allow-client-shm=true'] : []),
  ...(model === 'stream' ? ['--enable-test-backends'] : []),
];

/** The real Triton of PyPI nvidia-pytriton with the two backends of bench/peers. */
export function tritonPeer(): Peer {
  const { venv, site } = findTriton();
  const file = join(site, TRITON_BINARY);
  const env = {
    LD_LIBRARY_PATH: join(site, 'nvidia_pytriton.libs'),
    PATH: `${join(venv, 'bin')}${delimiter}${process.env['PATH'] ?? ''}`,
  };
  return {
    name: 'triton',
    isFloor: false,
    async start(scenario, folder, core) {
      const repository = stageRepository(folder, scenario, (config) =>
        config.replace('backend: "onnxruntime"', 'backend: "ortmlp"'),
      );
      const args = [
        `--model-repository=${repository}`,
        `--backend-directory=${buildPeers()}/backends`,
      ];
      return startServer(scenario, folder, core, { file, args, env });
    },
  };
}

/** A virtual environment with nvidia-pytriton: the one asked for, or one that the tests have made. */
function findTriton(): { venv: string; site: string } {
  const asked = process.env.NEREID_TRITON_VENV;
  const made = existsSync(CACHE) ? readdirSync(CACHE).map((name) => join(CACHE, name)) : [];
  for (const venv of asked === undefined ? made : [asked]) {
    const lib = join(venv, 'lib');
    const pythons = existsSync(lib) ? readdirSync(lib) : [];
    for (const site of pythons.map((python) => join(lib, python, 'site-packages'))) {
      if (existsSync(join(site, TRITON_BINARY))) return { venv, site };
    }
  }
  const venv = asked ?? join(CACHE, 'triton-venv');
  throw new Error(
    `peer 'triton': no Triton in ${asked ?? CACHE}; run: python3 -m venv ${venv} && ` +
      `${venv}/bin/pip install nvidia-pytriton==0.7.0 'numpy<2' (or set NEREID_TRITON_VENV)`,
  );
}

/** A canned answer behind bare sockets. */
export function floorPeer(name: 'http1-floor' | 'http2-floor'): Peer {
  return {
    name,
    isFloor: true,
    async start(scenario, folder, core) {
      const { body, headers } = cannedAnswer(scenario, makePayload(scenario));
      const bodyFile = join(folder, 'answer');
      writeFileSync(bodyFile, body);
      const server = new PinnedServer({
        file: join(buildPeers(), name),
        args: name === 'http1-floor' ? [bodyFile, headers] : [bodyFile],
        env: {},
        logFile: join(folder, 'log'),
        core,
      });
      const port = Number(await server.firstLine());
      return { server, port, httpPort: undefined, readyMs: undefined };
    },
  };
}

export interface LoopResult {
  readonly version: string;
  readonly batches: readonly {
    readonly rows: number;
    readonly calls: number;
    readonly cpuNs: number;
  }[];
}

/** ONNX Runtime's Run in a loop on the MLP, by batch size. */
export function runOrtLoop(core: number, milliseconds: number): LoopResult {
  const model = join(HERE, 'models', 'mlp', '1', 'model.onnx');
  const loop = join(buildPeers(), 'ort-loop');
  const args = ['-c', String(core), loop, onnxRuntimePath(), model, String(milliseconds)];
  return JSON.parse(execFileSync('taskset', args, { encoding: 'utf8' })) as LoopResult;
}

/** CPU µs per MiB of a bare memcpy of so many bytes within shared memory. */
export function runCopyLoop(core: number, bytes: number, milliseconds: number): number {
  const loop = join(buildPeers(), 'copy-loop');
  const args = ['-c', String(core), loop, String(bytes), String(milliseconds)];
  const text = execFileSync('taskset', args, { encoding: 'utf8' });
  const { copies, cpuNs } = JSON.parse(text) as { copies: number; cpuNs: number };
  return cpuNs / 1000 / copies / (bytes / 2 ** 20);
}

/** The library that every peer uses for the MLP. */
function onnxRuntimePath(): string {
  const cached = join(CACHE, 'onnxruntime', `1.30.0-linux-${process.arch}`, 'libonnxruntime.so.1');
  const path = process.env['NEREID_ONNXRUNTIME'] ?? cached;
  if (existsSync(path)) return path;
  throw new Error(
    `no ONNX Runtime at ${path}; run: nereid setup onnxruntime (or set NEREID_ONNXRUNTIME)`,
  );
}

let builtPeers: string | undefined;

/** Builds bench/peers once a run; returns the build folder. */
function buildPeers(): string {
  if (builtPeers !== undefined) return builtPeers;
  const folder = process.env['NEREID_BENCH_BUILD'] ?? join(HERE, '..', 'build', 'bench-peers');
  mkdirSync(folder, { recursive: true });
  for (const args of [
    ['-S', join(HERE, 'peers'), '-B', folder],
    ['--build', folder, '-j', '2'],
  ]) {
    const { status, stdout, stderr, error } = spawnSync('cmake', args, { encoding: 'utf8' });
    if (status !== 0) {
      throw new Error(
        `cmake ${args.join(' ')} failed: ${error?.message ?? `${stdout}\n${stderr}`}`,
      );
    }
  }
  builtPeers = folder;
  return folder;
}

/** Names in `tools` that are not on PATH. */
export function missingTools(tools: readonly string[]): string[] {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const isThere = (tool: string) =>
    folders.some((folder) => {
      try {
        accessSync(join(folder, tool), constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
  return tools.filter((tool) => !isThere(tool));
}

function stageRepository(
  folder: string,
  { model, classes, shape }: Scenario,
  edit: (config: string) => string,
): string {
  const from = join(HERE, 'models', model);
  const to = join(folder, 'repository', model);
  mkdirSync(join(to, '1'), { recursive: true });
  writeFileSync(join(to, 'config.pbtxt'), edit(readFileSync(join(from, 'config.pbtxt'), 'utf8')));
  if (existsSync(join(from, '1'))) cpSync(join(from, '1'), join(to, '1'), { recursive: true });
  if (classes !== undefined) writeFileSync(join(to, 'labels.txt'), labelFile(shape[1] ?? 0));
  return join(folder, 'repository');
}

/** Both servers take Triton's flags; everything not named here is at its default. */
async function startServer(
  scenario: Scenario,
  folder: string,
  core: number,
  {
    file,
    args,
    env,
  }: { file: string; args: readonly string[]; env: Readonly<Record<string, string>> },
): Promise<Running> {
  const [http = 0, grpc = 0, metrics = 0] = await freePorts(3);
  const server = new PinnedServer({
    file,
    args: [
      ...args,
      ...['--http-address=127.0.0.1', `--http-port=${http}`],
      ...['--grpc-address=127.0.0.1', `--grpc-port=${grpc}`],
      `--metrics-port=${metrics}`,
      ...(scenario.tls ? tlsFlags() : []),
      ...(scenario.gzip && scenario.protocol === 'grpc'
        ? ['--grpc-infer-response-compression-level=medium']
        : []),
    ],
    env: { ...(scenario.model === 'mlp' ? { NEREID_ONNXRUNTIME: onnxRuntimePath() } : {}), ...env },
    logFile: join(folder, 'log'),
    core,
  });
  try {
    const readyMs = await server.untilReady(http);
    return { server, port: scenario.protocol === 'grpc' ? grpc : http, httpPort: http, readyMs };
  } catch (error) {
    await server.stop();
    throw error;
  }
}
