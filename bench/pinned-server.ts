// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { type ChildProcess, spawn } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { getText } from './answer.ts';

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
  readonly core: number;
}

const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 15_000;
const running = new Set<ChildProcess>();

// A bench that fails or is interrupted leaves no server behind.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

/** A server process with all its threads pinned to one core. */
export class PinnedServer {
  readonly #child: ChildProcess;
  readonly #logFile: string;
  readonly #started = performance.now();
  readonly #exited: Promise<string>;
  #end: string | undefined;

  constructor(command: Command) {
    this.#logFile = command.logFile;
    const log = openSync(command.logFile, 'w');
    // taskset replaces itself by the server, so the pid is the server's.
    this.#child = spawn('taskset', ['-c', String(command.core), command.file, ...command.args], {
      env: { ...process.env, ...command.env },
      stdio: ['ignore', 'pipe', log],
    });
    running.add(this.#child);
    this.#exited = new Promise((resolve) => {
      const ended = (how: string) => {
        running.delete(this.#child);
        this.#end = how;
        resolve(how);
      };
      this.#child.on('exit', (code, signal) => ended(signal ?? `exit ${code}`));
      this.#child.on('error', (error) => ended(error.message));
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The first line on standard output, which is how the floors tell their port. */
  async firstLine(): Promise<string> {
    let text = '';
    for await (const piece of this.#child.stdout ?? []) {
      text += String(piece);
      if (text.includes('\n')) return text.slice(0, text.indexOf('\n'));
    }
    throw this.#failure('said nothing');
  }

  /** Milliseconds from the start of the process to the first 200 of /v2/health/ready. */
  async untilReady(httpPort: number): Promise<number> {
    this.#child.stdout?.resume();
    while (performance.now() - this.#started < READY_TIMEOUT_MS) {
      if (this.#end !== undefined) throw this.#failure(`ended (${this.#end}) before it was ready`);
      const reply = await getText(httpPort, '/v2/health/ready').catch(() => undefined);
      if (reply?.status === 200) return performance.now() - this.#started;
      await delay(2);
    }
    throw this.#failure(`was not ready in ${READY_TIMEOUT_MS / 1000} s`);
  }

  /** SIGTERM, and SIGKILL when that does not help. Resolves to how it ended. */
  async stop(): Promise<string> {
    if (this.#end !== undefined) return `${this.#end}, by itself`;
    this.#child.kill('SIGTERM');
    const timer = new AbortController();
    const timeout = delay(STOP_TIMEOUT_MS, undefined, { signal: timer.signal, ref: false }).then(
      () => this.#child.kill('SIGKILL'),
      () => undefined,
    );
    const end = await this.#exited;
    timer.abort();
    await timeout;
    return end;
  }

  /** What to add to the error of a call that this server did not answer; empty while it lives. */
  obituary(): string {
    return this.#end === undefined ? '' : `; ${this.#failure(`ended (${this.#end})`).message}`;
  }

  #failure(what: string): Error {
    const tail = readFileSync(this.#logFile, 'utf8').trimEnd().split('\n').slice(-5).join('\n  ');
    return new Error(`the server ${what}; its log ends:\n  ${tail}`);
  }
}

/** Loopback ports that were free a moment ago, for servers that cannot choose their own. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.on('error', reject).listen(0, '127.0.0.1', () => {
            const address = server.address();
            resolve(typeof address === 'object' && address !== null ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
