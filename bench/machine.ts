// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, getPriority, loadavg, release, totalmem, version } from 'node:os';
import { fileURLToPath } from 'node:url';

/** What the figures depend on. */
export interface MachineCard {
  readonly cpu: string;
  readonly cores: number;
  readonly hypervisor: boolean;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly glibc: string;
  readonly node: string;
  readonly compiler: string;
  readonly client: string;
  readonly nice: number;
  readonly loadAverage: readonly number[];
}

export interface Commit {
  readonly id: string;
  /** Uncommitted changes outside bench/results. */
  readonly isDirty: boolean;
}

export function readMachineCard(): MachineCard {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    hypervisor: /^flags.*\bhypervisor\b/m.test(readFileSync('/proc/cpuinfo', 'utf8')),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${release()} ${version()}`,
    glibc: firstLine('getconf', ['GNU_LIBC_VERSION']),
    node: process.version,
    compiler: firstLine('c++', ['--version']),
    client: firstLine('h2load', ['--version']),
    nice: getPriority(),
    loadAverage: loadavg().map((load) => Math.round(load * 100) / 100),
  };
}

/** @param checkout folder of a clone; this one when undefined */
export function readCommit(checkout = fileURLToPath(new URL('..', import.meta.url))): Commit {
  const git = (...args: string[]) => firstLine('git', ['-C', checkout, ...args]);
  const id = git('rev-parse', '--short=12', 'HEAD');
  const changes = git('status', '--porcelain', '--', '.', ':!bench/results');
  return { id, isDirty: id !== 'unknown' && changes !== '' };
}

function firstLine(file: string, args: readonly string[]): string {
  try {
    const text = execFileSync(file, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return text.split('\n')[0]?.trim() ?? '';
  } catch {
    return 'unknown';
  }
}
