// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Payload } from './payload.ts';
import type { Scenario } from './scenario.ts';
import { quantile } from './statistics.ts';

export interface LoadResult {
  readonly requests: number;
  readonly wallS: number;
  readonly requestsPerSecond: number;
  /** Body bytes of all answers together, framing excluded. */
  readonly dataBytes: number;
}

export interface Latencies {
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
}

const execute = promisify(execFile);

/**
 * h2load against one loopback port, with a fixed count of requests.
 *
 * Never by duration: a run that is cut off abandons streams, which costs the server work that no
 * finished request pays for, and has been seen to kill Triton.
 */
export class LoadClient {
  readonly #folder: string;
  readonly #base: readonly string[];
  readonly #inFlight: number;

  /** @param parent folder for the request body and the latency log, best in memory */
  constructor(parent: string, scenario: Scenario, payload: Payload, port: number, core: number) {
    this.#folder = mkdtempSync(join(parent, 'nereid-bench-'));
    const body = join(this.#folder, 'body');
    writeFileSync(body, payload.body);
    const isGrpc = scenario.protocol === 'grpc';
    this.#base = [
      ...['-c', String(core), 'h2load', '-t', '1', '-c', String(scenario.connections)],
      ...(isGrpc ? ['-m', String(scenario.streams)] : ['--h1']),
      ...Object.entries(payload.headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
      ...['-d', body, `${scenario.tls ? 'https' : 'http'}://127.0.0.1:${port}${payload.path}`],
    ];
    this.#inFlight = scenario.connections * scenario.streams;
  }

  /** Rounds up so that every connection and stream gets the same number of requests. */
  roundUp(requests: number): number {
    return Math.max(1, Math.ceil(requests / this.#inFlight)) * this.#inFlight;
  }

  /**
   * @param answerBytes size of one right answer's body
   * @throws Error unless every request was answered 2xx with exactly that many bytes
   */
  async run(requests: number, answerBytes: number): Promise<LoadResult> {
    const { stdout } = await this.#h2load(requests, []);
    return readSummary(stdout, requests, answerBytes);
  }

  /** A run of its own, since the log costs the client a write a request. */
  async latencies(requests: number, answerBytes: number): Promise<Latencies> {
    const log = join(this.#folder, 'log');
    const { stdout } = await this.#h2load(requests, [`--log-file=${log}`]);
    readSummary(stdout, requests, answerBytes);
    const times = readFileSync(log, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => Number(line.split('\t')[2]))
      .sort((a, b) => a - b);
    rmSync(log);
    return {
      p50Us: quantile(times, 0.5),
      p90Us: quantile(times, 0.9),
      p99Us: quantile(times, 0.99),
    };
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #h2load(requests: number, extra: readonly string[]) {
    const args = [
      ...this.#base.slice(0, 3),
      '-n',
      String(requests),
      ...extra,
      ...this.#base.slice(3),
    ];
    return execute('taskset', args, { timeout: 120_000, maxBuffer: 16 << 20 });
  }
}

/**
 * Reads what h2load prints at its end.
 * @throws Error unless `requests` requests were answered 2xx with `answerBytes` bytes of body each. The bytes
 * matter: an error in gRPC's trailers is a 200 for h2load.
 */
export function readSummary(text: string, requests: number, answerBytes: number): LoadResult {
  const number = (pattern: RegExp) => Number(pattern.exec(text)?.[1] ?? Number.NaN);
  const done = number(/ (\d+) succeeded,/);
  const ok = number(/status codes: (\d+) 2xx,/);
  const dataBytes = number(/\((\d+)\) data/);
  const finished = /finished in ([\d.]+)(us|ms|s|m),/.exec(text);
  if (done !== requests || ok !== requests || finished === null) {
    const lines = text.split('\n').filter((line) => /^(requests|status codes):/.test(line));
    throw new Error(`${requests} requests were asked: ${lines.join('; ') || text.slice(-300)}`);
  }
  if (dataBytes !== requests * answerBytes) {
    throw new Error(
      `the answers hold ${dataBytes} bytes, expected ${requests} × ${answerBytes}: ` +
        'some were errors in trailers or differ',
    );
  }
  const unit = { us: 1e-6, ms: 1e-3, s: 1, m: 60 }[finished[2] as 'us' | 'ms' | 's' | 'm'];
  const wallS = Number(finished[1]) * unit;
  return { requests, wallS, requestsPerSecond: requests / wallS, dataBytes };
}
