// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { checkAnswer, getText } from './answer.ts';
import { LoadClient } from './load-client.ts';
import { makePayload, type Payload } from './payload.ts';
import { type LoopResult, type Peer, type Running, runCopyLoop, runOrtLoop } from './peers.ts';
import { cpuBetween, readCoreBusyNs, readTree } from './process-tree.ts';
import { Region } from './region.ts';
import { inputBytes, type Metric, type Scenario } from './scenario.ts';

/** One peer, one scenario, one round: a fresh server process. Metrics that do not apply are absent. */
export interface Sample extends Partial<Readonly<Record<Metric, number>>> {
  readonly peer: string;
  readonly round: number;
  readonly requests: number;
  readonly wallS: number;
  readonly requestsPerSecond: number;
  readonly cpuNs: number;
  readonly cpuSource: 'schedstat' | 'ticks';
  readonly cpuUsPerRequest: number;
  readonly switchesPerRequest: number;
  readonly p90Us: number;
  /** Body bytes of one answer. */
  readonly answerBytes: number;
  readonly processes: number;
  /** Share of the server's core that went to others while it was measured, 0 to 1. */
  readonly neighbours: number;
  /** Name and version as /v2 says. */
  readonly server: string | undefined;
  /** How the process ended when told to. */
  readonly stopped: string;
}

export interface Failure {
  readonly peer: string;
  readonly round: number;
  readonly error: string;
}

export interface ScenarioResult {
  readonly scenario: Scenario;
  readonly samples: readonly Sample[];
  readonly failures: readonly Failure[];
  readonly ortLoop: readonly LoopResult[];
  /** CPU µs per MiB of a bare copy, by round. */
  readonly copyLoop: readonly number[];
}

export interface MeasureOptions {
  readonly rounds: number;
  /** Wall time that one measured run aims at. */
  readonly seconds: number;
  readonly serverCore: number;
  readonly clientCore: number;
  readonly withLoops: boolean;
  readonly say: (line: string) => void;
}

const SETTLE_MS = 1000;
const MAX_REQUESTS = 1_000_000;
const LATENCY_SHARE = 0.25;
const LOOP_MS = 200;

/**
 * Runs one scenario: within a round every peer once, in an order that rotates from round to round,
 * so that a drift of the machine meets all of them alike.
 */
export async function measureScenario(
  scenario: Scenario,
  peers: readonly Peer[],
  options: MeasureOptions,
): Promise<ScenarioResult> {
  const samples: Sample[] = [];
  const failures: Failure[] = [];
  const ortLoop: LoopResult[] = [];
  const copyLoop: number[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    const turn = (round - 1) % Math.max(1, peers.length);
    for (const peer of [...peers.slice(turn), ...peers.slice(0, turn)]) {
      try {
        const sample = await measureOnce(scenario, peer, round, options);
        samples.push(sample);
        options.say(`  round ${round} ${peer.name.padEnd(12)} ${describe(sample)}`);
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        failures.push({ peer: peer.name, round, error: text });
        options.say(`  round ${round} ${peer.name.padEnd(12)} FAILED: ${text}`);
      }
    }
    if (options.withLoops && scenario.floors.includes('ort-loop')) {
      ortLoop.push(runOrtLoop(options.serverCore, LOOP_MS));
    }
    if (options.withLoops && scenario.floors.includes('copy-loop')) {
      copyLoop.push(runCopyLoop(options.serverCore, inputBytes(scenario), LOOP_MS));
    }
  }
  return { scenario, samples, failures, ortLoop, copyLoop };
}

async function measureOnce(
  scenario: Scenario,
  peer: Peer,
  round: number,
  options: MeasureOptions,
): Promise<Sample> {
  const folder = mkdtempSync(join(tmpdir(), 'nereid-bench-'));
  let running: Running | undefined;
  try {
    running = await peer.start(scenario, folder, options.serverCore);
    const sample = await measureRunning(scenario, running, options);
    const stopped = await running.server.stop();
    return { peer: peer.name, round, ...sample, stopped };
  } catch (error) {
    // A server that died closes its connections a moment before its end is known.
    await delay(100);
    const text = error instanceof Error ? error.message : String(error);
    throw new Error(text + (running?.server.obituary() ?? ''));
  } finally {
    await running?.server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measureRunning(scenario: Scenario, running: Running, options: MeasureOptions) {
  const { pid } = running.server;
  await delay(SETTLE_MS);
  const idle = readTree(pid);
  const payload = makePayload(scenario);
  using region = await registerRegion(scenario, running, payload);
  const answer = await checkAnswer(scenario, running.port, payload, region);
  using client = new LoadClient(
    memoryFolder(),
    scenario,
    payload,
    running.port,
    options.clientCore,
  );

  const warm = await client.run(client.roundUp(scenario.warmupRequests), answer.length);
  const wanted = warm.requestsPerSecond * options.seconds;
  const requests = client.roundUp(Math.min(wanted, MAX_REQUESTS));

  const busyBefore = readCoreBusyNs(options.serverCore);
  const before = readTree(pid);
  const start = performance.now();
  const load = await client.run(requests, answer.length);
  const wallNs = (performance.now() - start) * 1e6;
  const after = readTree(pid);
  const busy = readCoreBusyNs(options.serverCore) - busyBefore;
  const cpu = cpuBetween(before, after);

  const latency = await client.latencies(client.roundUp(requests * LATENCY_SHARE), answer.length);
  await delay(SETTLE_MS);
  const rested = readTree(pid);
  const last = await checkAnswer(scenario, running.port, payload, region);
  if (!last.equals(answer))
    throw new Error('the answer after the load differs from the one before');

  const cpuUsPerRequest = cpu.cpuNs / 1000 / requests;
  const mib = inputBytes(scenario) / 2 ** 20;
  return {
    requests,
    wallS: load.wallS,
    requestsPerSecond: load.requestsPerSecond,
    cpuNs: cpu.cpuNs,
    cpuSource: cpu.source,
    cpuUsPerRequest,
    ...(mib >= 1 ? { cpuUsPerMiB: cpuUsPerRequest / mib } : {}),
    switchesPerRequest: cpu.switches / requests,
    ...latency,
    rssIdleMiB: idle.rssKiB / 1024,
    rssAfterMiB: rested.rssKiB / 1024,
    ...(running.readyMs === undefined ? {} : { readyMs: running.readyMs }),
    answerBytes: answer.length,
    processes: after.processes,
    neighbours: Math.min(1, Math.max(0, (busy - cpu.cpuNs) / wallNs)),
    server: running.httpPort === undefined ? undefined : await nameAndVersion(running.httpPort),
  };
}

async function registerRegion(
  scenario: Scenario,
  { httpPort }: Running,
  { input }: Payload,
): Promise<Region | undefined> {
  if (scenario.sharedMemory !== true || httpPort === undefined) return undefined;
  return Region.register(
    httpPort,
    new Uint8Array(input.buffer, input.byteOffset, input.byteLength),
  );
}

async function nameAndVersion(httpPort: number): Promise<string | undefined> {
  const reply = await getText(httpPort, '/v2').catch(() => undefined);
  if (reply?.status !== 200) return undefined;
  const { name, version } = JSON.parse(reply.text) as { name?: string; version?: string };
  return `${name} ${version}`;
}

/** The client's files belong in memory: a disk would slow the client unevenly. */
function memoryFolder(): string {
  return process.platform === 'linux' ? '/dev/shm' : tmpdir();
}

function describe(sample: Sample): string {
  const perMiB = sample.cpuUsPerMiB;
  return [
    perMiB === undefined
      ? `${sample.cpuUsPerRequest.toFixed(2)} µs/request`
      : `${perMiB.toFixed(0)} µs/MiB`,
    `${Math.round(sample.requestsPerSecond)}/s`,
    `p50 ${sample.p50Us} p99 ${sample.p99Us} µs`,
    `RSS ${sample.rssIdleMiB?.toFixed(0)}→${sample.rssAfterMiB?.toFixed(0)} MiB`,
    `neighbours ${(sample.neighbours * 100).toFixed(0)} %`,
  ].join(', ');
}
