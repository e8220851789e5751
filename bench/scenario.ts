// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { readdirSync, readFileSync } from 'node:fs';

export type Protocol = 'grpc' | 'http-json' | 'http-binary';

/** A figure that a sample carries and a limit may name. Lower is better for all of them. */
export type Metric =
  | 'cpuUsPerRequest'
  | 'cpuUsPerMiB'
  | 'p50Us'
  | 'p99Us'
  | 'rssIdleMiB'
  | 'rssAfterMiB'
  | 'readyMs';

export const METRIC_TITLES: Readonly<Record<Metric, string>> = {
  cpuUsPerRequest: 'CPU µs/request',
  cpuUsPerMiB: 'CPU µs/MiB',
  p50Us: 'p50 µs',
  p99Us: 'p99 µs',
  rssIdleMiB: 'RSS idle MiB',
  rssAfterMiB: 'RSS after load MiB',
  readyMs: 'ready ms',
};

/**
 * What the median of Nereid's samples must not exceed: `atMost`, or else Triton's median of the same
 * run × (`atMost` / `triton`). Without `atMost` the limit is Triton's median itself.
 */
export interface Limit {
  readonly metric: Metric;
  readonly atMost?: number;
  /** Triton's figure on the machine where `atMost` was set. */
  readonly triton?: number;
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly model: 'identity' | 'labelled' | 'mlp' | 'stream';
  readonly protocol: Protocol;
  /** Input and output lie in a region of system shared memory; gRPC only. */
  readonly sharedMemory?: boolean;
  /** Answers to one request, over ModelStreamInfer; gRPC only. Absent = one, over ModelInfer. */
  readonly responses?: number;
  /** How many classes of the output are asked for in place of its values; model `labelled` only. */
  readonly classes?: number;
  /** Request and answer are compressed with gzip; HTTP's Content-Encoding, or gRPC's. */
  readonly gzip?: boolean;
  /** gRPC over TLS; both servers get the same certificate. */
  readonly tls?: boolean;
  /** FP32 shape of the one input, rows first. */
  readonly shape: readonly number[];
  readonly connections: number;
  /** Requests in flight on one connection; 1 for HTTP/1.1. */
  readonly streams: number;
  readonly warmupRequests: number;
  /** Names of floors that make sense beside it. */
  readonly floors: readonly string[];
  readonly limits: readonly Limit[];
}

const FOLDER = new URL('./scenarios/', import.meta.url);

/**
 * Reads the scenario files in the order of their names.
 * @param only names or parts of names; empty means all
 * @throws Error when one of `only` matches nothing
 */
export function loadScenarios(only: readonly string[]): Scenario[] {
  const all = readdirSync(FOLDER)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => parseScenario(file, readFileSync(new URL(file, FOLDER), 'utf8')));
  for (const part of only) {
    if (!all.some(({ name }) => name.includes(part))) {
      const names = all.map(({ name }) => name).join(', ');
      throw new Error(`no scenario is called '${part}'; there are ${names}`);
    }
  }
  return all.filter(({ name }) => only.length === 0 || only.some((part) => name.includes(part)));
}

function parseScenario(file: string, text: string): Scenario {
  const scenario = JSON.parse(text) as Scenario;
  const wrong = (what: string) => new Error(`bench/scenarios/${file}: ${what}`);
  if (!file.endsWith(`-${scenario.name}.json`))
    throw wrong(`name '${scenario.name}' is not the file's`);
  if (!['grpc', 'http-json', 'http-binary'].includes(scenario.protocol)) {
    throw wrong(`protocol '${scenario.protocol}' is none of grpc, http-json, http-binary`);
  }
  if (scenario.sharedMemory === true && scenario.protocol !== 'grpc') {
    throw wrong('shared memory is measured over grpc only');
  }
  if (scenario.responses !== undefined && scenario.protocol !== 'grpc') {
    throw wrong('streams are measured over grpc only');
  }
  if (scenario.tls === true && scenario.protocol !== 'grpc') throw wrong('tls is for grpc only');
  if ((scenario.classes !== undefined) !== (scenario.model === 'labelled')) {
    throw wrong("classes go with the model 'labelled'");
  }
  if (scenario.gzip === true && (scenario.responses !== undefined || scenario.sharedMemory)) {
    throw wrong('gzip is measured for tensors in one answer only');
  }
  for (const key of ['connections', 'streams', 'warmupRequests'] as const) {
    if (!Number.isInteger(scenario[key]) || scenario[key] < 1) throw wrong(`${key} is not a count`);
  }
  for (const { metric } of scenario.limits) {
    if (!(metric in METRIC_TITLES)) throw wrong(`metric '${metric}' is unknown`);
  }
  return scenario;
}

/** Bytes of the input tensor. */
export function inputBytes(scenario: Scenario): number {
  return scenario.shape.reduce((product, dim) => product * dim, 4);
}
