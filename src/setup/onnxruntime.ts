// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, rename, rm, statfs, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { throwIfAborted } from '../base/abort.ts';
import { internal, ServeError, unimplemented } from '../base/status.ts';
import { packWithNpm } from './npm-pack.ts';
import { extractFile, integrityOf } from './tarball.ts';

/** The release that is fetched. Nereid asks ONNX Runtime for API 17, which every later release answers too. */
export const ONNXRUNTIME_PACKAGE = {
  name: 'onnxruntime-node',
  version: '1.30.0',
  integrity:
    'sha512-twhs1C2C/BFkz1yc5OY0KIU2GUq6DURO7hD4bx5Q2Qy3nAMJwRXW8xU3NVczE29VA9lolLOYepoD8fjTGOfIqw==',
} as const;

/** What the download and the staged copy take at most, and what stays. */
const NEEDED_BYTES = 280 * 1024 * 1024;
const LIBRARY = 'libonnxruntime.so.1';

export interface SetupProgress {
  readonly step: 'fetch' | 'verify' | 'extract' | 'done';
  /** bytes of the library written so far; only in the step `extract` */
  readonly bytes?: number;
}

export interface SetupOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: SetupProgress) => void;
  /** replaces `$XDG_CACHE_HOME/nereid` (tests) */
  readonly cacheFolder?: string;
  /** replaces the pinned package (tests) */
  readonly expected?: {
    readonly name: string;
    readonly version: string;
    readonly integrity: string;
  };
  /** replaces the environment (tests) */
  readonly env?: NodeJS.ProcessEnv;
}

/** `$XDG_CACHE_HOME/nereid`, or `~/.cache/nereid` when that is unset or not absolute. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const base = env.XDG_CACHE_HOME;
  return join(base?.startsWith('/') ? base : join(homedir(), '.cache'), 'nereid');
}

function installedFolder(cache: string, version: string = ONNXRUNTIME_PACKAGE.version): string {
  return join(cache, 'onnxruntime', `${version}-linux-${process.arch}`);
}

/** Where `setupOnnxRuntime` puts the library, whether or not it is there. */
export function cachedLibrary(env: NodeJS.ProcessEnv = process.env): string {
  return join(installedFolder(cacheFolder(env)), LIBRARY);
}

/**
 * Where libonnxruntime is, without fetching anything: `$NEREID_ONNXRUNTIME` (taken as it is, so that a wrong path is
 * reported by the load), then the cache, then an `onnxruntime-node` that is installed beside Nereid.
 * @returns undefined when there is none: `setupOnnxRuntime` fetches it
 */
export function findOnnxRuntime(env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (env.NEREID_ONNXRUNTIME) return env.NEREID_ONNXRUNTIME;
  const cached = cachedLibrary(env);
  if (existsSync(cached)) return cached;
  return findInNodeModules();
}

function findInNodeModules(): string | undefined {
  try {
    const manifest = createRequire(import.meta.url).resolve(
      `${ONNXRUNTIME_PACKAGE.name}/package.json`,
    );
    const bin = join(dirname(manifest), 'bin');
    return readdirSync(bin)
      .map((api) => join(bin, api, 'linux', process.arch, LIBRARY))
      .find((file) => existsSync(file));
  } catch {
    return undefined;
  }
}

/**
 * Fetches the pinned ONNX Runtime through the user's own npm (its registry, proxy and credentials apply; no script of
 * the package runs), checks its hash and puts the library into the cache in one rename. Safe to run twice at once.
 * @returns path of the library
 * @throws ServeError Unimplemented on a platform without a library; Unavailable when npm is missing, the registry cannot
 *   be reached or the disk is full; Internal when the hash is wrong; Cancelled by the signal
 */
export async function setupOnnxRuntime(options: SetupOptions = {}): Promise<string> {
  const env = options.env ?? process.env;
  const cache = options.cacheFolder ?? cacheFolder(env);
  const expected = options.expected ?? ONNXRUNTIME_PACKAGE;
  const target = installedFolder(cache, expected.version);
  const library = join(target, LIBRARY);
  if (existsSync(library)) return library;
  if (process.platform !== 'linux' || (process.arch !== 'x64' && process.arch !== 'arm64')) {
    throw unimplemented(
      `ONNX Runtime is fetched for linux-x64 and linux-arm64 only, this is ${process.platform}-${process.arch}: name a library with --onnxruntime-library=PATH.`,
    );
  }
  const staging = join(cache, 'onnxruntime', `.staging-${process.pid}-${randomUUID().slice(0, 8)}`);
  try {
    await fetchInto(staging, expected, env, options);
    await rename(staging, target).catch((error: NodeJS.ErrnoException) => {
      // Somebody else was faster with the same files.
      if (!existsSync(library)) throw error;
    });
    options.onProgress?.({ step: 'done' });
    return library;
  } catch (error) {
    throw explain(error, cache);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

async function fetchInto(
  staging: string,
  expected: { readonly name: string; readonly version: string; readonly integrity: string },
  env: NodeJS.ProcessEnv,
  options: SetupOptions,
): Promise<void> {
  const { signal, onProgress } = options;
  await removeDeadStagings(dirname(staging));
  await mkdir(staging, { recursive: true });
  await requireSpace(dirname(staging));
  onProgress?.({ step: 'fetch' });
  const spec = `${expected.name}@${expected.version}`;
  const tarball = await packWithNpm(spec, staging, env, signal);
  onProgress?.({ step: 'verify' });
  const actual = await integrityOf(tarball);
  throwIfAborted(signal);
  if (actual !== expected.integrity) {
    throw internal(
      `The download of ${spec} does not have the expected hash: expected ${expected.integrity}, got ${actual}; nothing was installed.`,
    );
  }
  onProgress?.({ step: 'extract', bytes: 0 });
  const wanted = new RegExp(
    `^package/bin/[^/]+/linux/${process.arch}/${LIBRARY.replaceAll('.', '\\.')}$`,
  );
  const found = await extractFile(tarball, wanted, join(staging, LIBRARY), {
    ...(signal === undefined ? {} : { signal }),
    onBytes: (bytes) => onProgress?.({ step: 'extract', bytes }),
  });
  if (!found) throw internal(`${spec} holds no ${LIBRARY} for linux-${process.arch}.`);
  await rm(tarball);
  const origin = `${spec} from the npm registry, licence MIT (Microsoft)\n${expected.integrity}\n`;
  await writeFile(join(staging, 'ORIGIN'), origin);
}

/** A process that was killed leaves its staging folder behind; the next run removes it. */
async function removeDeadStagings(folder: string): Promise<void> {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    const pid = Number(/^\.staging-(\d+)-/.exec(name)?.[1]);
    if (pid > 0 && !isAlive(pid)) await rm(join(folder, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function requireSpace(folder: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free >= NEEDED_BYTES) return;
  const mib = (bytes: number) => Math.floor(bytes / (1024 * 1024));
  throw new ServeError(
    'Unavailable',
    `Fetching ONNX Runtime takes up to ${mib(NEEDED_BYTES)} MiB, but the disk of ${folder} has ${mib(free)} MiB free: make room or set XDG_CACHE_HOME to another disk.`,
  );
}

function explain(error: unknown, cache: string): ServeError {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    const text = `The disk of ${cache} is full: make room or set XDG_CACHE_HOME to another disk.`;
    return new ServeError('Unavailable', text, { cause: error });
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    const text = `${cache} cannot be written to (${code}): set XDG_CACHE_HOME to a folder that can.`;
    return new ServeError('Unavailable', text, { cause: error });
  }
  return ServeError.from(error);
}
