// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Where a started server listens, each as `host:port`. */
export interface Endpoints {
  readonly http: string;
  readonly grpc: string;
  readonly metrics: string;
}

export interface ServerCommand {
  /** What messages call it. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Milliseconds until all start lines must be there; 60,000 when left out. */
  readonly startTimeoutMs?: number;
  /** Removes what the server leaves behind; `stop` waits for it. */
  readonly cleanUp?: () => Promise<void>;
}

export interface ExitResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const START_LINES = {
  http: /Started HTTPService at ([^\s"]+)/,
  grpc: /Started GRPCInferenceService at ([^\s"]+)/,
  metrics: /Started Metrics Service at ([^\s"]+)/,
} as const;

/** Every server whose process has not ended, started or starting. */
const live = new Set<ServerProcess>();

/** Ends every server of this process at once; for a test run that was told to stop. */
export async function killAllServers(): Promise<void> {
  await Promise.all([...live].map((server) => server.stop(0)));
}

const KEPT_LOG_CHARS = 200_000;

/**
 * One server under test, started from a command and ready when its three start lines were printed.
 * Stopped by its own process id only; everything it started belongs to its process group.
 */
export class ServerProcess implements AsyncDisposable {
  readonly name: string;
  readonly #child;
  #log = '';
  #exit: ExitResult | undefined;
  readonly #exited: Promise<ExitResult>;
  readonly #ready: Promise<Endpoints>;
  readonly #cleanUp: () => Promise<void>;

  private constructor(spec: ServerCommand) {
    this.name = spec.name;
    this.#cleanUp = spec.cleanUp ?? (async () => undefined);
    live.add(this);
    this.#child = spawn(spec.command, spec.args, {
      env: spec.env ?? process.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#exited = new Promise((resolve) => {
      const finish = (code: number | null, signal: NodeJS.Signals | null): void => {
        this.#exit = { code, signal };
        live.delete(this);
        resolve(this.#exit);
      };
      this.#child.once('exit', finish);
      this.#child.once('error', (error) => {
        this.#log += `${String(error)}\n`;
        finish(null, null);
      });
    });
    this.#ready = this.#readStartLines(spec.startTimeoutMs ?? 60_000);
    // Whoever awaits the promise later still sees the rejection.
    this.#ready.catch(() => undefined);
  }

  /** @throws Error with the end of the log when the server ends or the time passes before it is ready */
  static async start(spec: ServerCommand): Promise<ServerProcess & { endpoints: Endpoints }> {
    const server = new ServerProcess(spec);
    try {
      return Object.assign(server, { endpoints: await server.#ready });
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  /** Starts and returns at once; for commands that are expected to fail. */
  static launch(spec: ServerCommand): ServerProcess {
    return new ServerProcess(spec);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** The end of what it wrote to stdout and stderr. */
  get log(): string {
    return this.#log;
  }

  get hasExited(): boolean {
    return this.#exit !== undefined;
  }

  get exited(): Promise<ExitResult> {
    return this.#exited;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** SIGTERM, and SIGKILL to the whole group when that has not ended it in time. */
  async stop(timeoutMs = 20_000): Promise<ExitResult> {
    if (this.#exit === undefined) {
      this.#child.kill('SIGTERM');
      const deadline = setTimeout(() => this.#killGroup(), timeoutMs);
      await this.#exited;
      clearTimeout(deadline);
    }
    this.#killGroup();
    await this.#cleanUp();
    return this.#exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #killGroup(): void {
    if (this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, 'SIGKILL');
    } catch {
      // The group is gone already.
    }
  }

  async #readStartLines(timeoutMs: number): Promise<Endpoints> {
    const found: { -readonly [K in keyof Endpoints]?: string } = {};
    const { promise, resolve, reject } = Promise.withResolvers<Endpoints>();
    const listen = (chunk: string): void => {
      this.#log = (this.#log + chunk).slice(-KEPT_LOG_CHARS);
      for (const key of ['http', 'grpc', 'metrics'] as const) {
        const value = START_LINES[key].exec(this.#log)?.[1];
        if (value !== undefined) found[key] ??= value;
      }
      const { http, grpc, metrics } = found;
      if (http !== undefined && grpc !== undefined && metrics !== undefined) {
        resolve({ http, grpc, metrics });
      }
    };
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', listen);
    }
    const timer = setTimeout(() => {
      reject(new Error(`${this.name} was not ready in ${timeoutMs} ms:\n${this.#log}`));
    }, timeoutMs);
    void this.#exited.then(async ({ code, signal }) => {
      if (!this.#child.stderr.readableEnded)
        await once(this.#child.stderr, 'end').catch(() => undefined);
      reject(
        new Error(`${this.name} ended (${signal ?? code}) before it was ready:\n${this.#log}`),
      );
    });
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }
}
