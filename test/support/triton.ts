// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, rm } from 'node:fs/promises';
import { basename, delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { projectRoot } from './nereid.ts';
import { freePorts } from './ports.ts';
import { type Endpoints, ServerProcess } from './server-process.ts';

/** The real Triton as the nvidia-pytriton wheel carries it. */
export interface TritonWheel {
  readonly binary: string;
  readonly libraries: string;
  readonly backends: string;
  /** Folder of the caches that `--cache-config` may name. */
  readonly caches: string;
  /** Folder of the interpreter that runs the Python backend's stub. */
  readonly pythonBin: string;
}

// Each file NAME.py becomes the Python-based backend NAME: the models' configurations stay as they are.
const standIns = join(projectRoot, 'test/fixtures/python');

const FIND_WHEEL = `
import importlib.util, json, pathlib, sys
spec = importlib.util.find_spec("pytriton")
root = pathlib.Path(spec.origin).parent if spec and spec.origin else None
print(json.dumps({"root": str(root) if root else None, "version": "%d.%d" % sys.version_info[:2]}))
`;

/**
 * Finds the wheel in an interpreter's environment and lays out a backend folder for it.
 * @param python the interpreter that has test/requirements.txt installed
 * @param workDir an empty folder for the backend directory
 * @throws Error when the environment has no nvidia-pytriton
 */
export async function prepareTriton(python: string, workDir: string): Promise<TritonWheel> {
  const { stdout } = await promisify(execFile)(python, ['-c', FIND_WHEEL]);
  const { root, version } = JSON.parse(stdout) as { root: string | null; version: string };
  if (root === null) {
    throw new Error(`${python} has no nvidia-pytriton: install test/requirements.txt there.`);
  }
  const triton = join(root, 'tritonserver');
  const backends = join(workDir, 'backends');
  await mkdir(join(backends, 'python'), { recursive: true });
  await cp(join(triton, 'backends', 'python'), join(backends, 'python'), { recursive: true });
  const stub = 'triton_python_backend_stub';
  await cp(join(triton, 'python_backend_stubs', version, stub), join(backends, 'python', stub));
  for (const file of await readdir(standIns)) {
    const backend = join(backends, basename(file, '.py'));
    await mkdir(backend);
    await cp(join(standIns, file), join(backend, 'model.py'));
  }
  return {
    binary: join(triton, 'bin', 'tritonserver'),
    libraries: join(dirname(root), 'nvidia_pytriton.libs'),
    backends,
    caches: join(triton, 'caches'),
    pythonBin: dirname(python),
  };
}

export interface TritonOptions {
  readonly wheel: TritonWheel;
  readonly args: readonly string[];
}

let started = 0;

const MOST_STARTS = 3;

/**
 * Starts the real Triton on free loopback ports; its shared memory is removed when it stops. It cannot choose a port
 * itself: when another program was quicker, it is started again.
 */
export async function startTriton(
  options: TritonOptions,
): Promise<ServerProcess & { endpoints: Endpoints }> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnFreePorts(options);
    } catch (error) {
      const lostItsPort = /in use|failed to start|bind/i.test(String(error));
      if (!lostItsPort || attempt === MOST_STARTS) throw error;
    }
  }
}

async function startOnFreePorts(
  options: TritonOptions,
): Promise<ServerProcess & { endpoints: Endpoints }> {
  const [http, grpc, metrics] = await freePorts(3);
  started += 1;
  const prefix = `nereid_test_${process.pid}_${started}_`;
  const { wheel } = options;
  return ServerProcess.start({
    name: 'triton',
    command: wheel.binary,
    args: [
      `--backend-directory=${wheel.backends}`,
      `--cache-directory=${wheel.caches}`,
      // Small regions: every model instance has its own, and most tensors here are tiny.
      `--backend-config=python,shm-region-prefix-name=${prefix}`,
      '--backend-config=python,shm-default-byte-size=1048576',
      '--http-address=127.0.0.1',
      '--grpc-address=127.0.0.1',
      '--metrics-address=127.0.0.1',
      `--http-port=${http}`,
      `--grpc-port=${grpc}`,
      `--metrics-port=${metrics}`,
      ...options.args,
    ],
    env: {
      ...process.env,
      LD_LIBRARY_PATH: wheel.libraries,
      PATH: `${wheel.pythonBin}${delimiter}${process.env['PATH'] ?? ''}`,
    },
    cleanUp: () => removeSharedMemory(prefix),
  });
}

async function removeSharedMemory(prefix: string): Promise<void> {
  for (const name of await readdir('/dev/shm')) {
    if (name.startsWith(prefix)) await rm(join('/dev/shm', name), { force: true });
  }
}
