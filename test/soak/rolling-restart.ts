// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { askHttp } from '../support/http-client.ts';
import { GrpcInferClient, HttpInferClient, type InferClient } from '../support/infer-clients.ts';
import { startNereid } from '../support/nereid.ts';
import { freePorts } from '../support/ports.ts';
import type { Running } from '../support/server-facts.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { until } from '../support/until.ts';
import { type Effort, type Figures, Progress, type Scenario } from './scenario.ts';

const CLIENTS = 8;
/** Far more than HAProxy takes to see it. */
const DRAIN_DELAY_SECS = 5;
/** Answers between two restarts. */
const BETWEEN = 200;

interface Replica {
  readonly name: string;
  readonly httpPort: number;
  readonly grpcPort: number;
}

interface Ports {
  readonly http: number;
  readonly grpc: number;
  readonly statistics: number;
}

/** What a user of HAProxy would write, but nothing is sent twice, and it sees late who is not ready. */
function configuration(ports: Ports, replicas: readonly Replica[]): string {
  const servers = (line: (replica: Replica) => string): string =>
    replicas.map((replica) => `  server ${replica.name} ${line(replica)}`).join('\n');
  return `global
  maxconn 1000
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  retries 0
  balance leastconn
  option httpchk
  http-check send meth GET uri /v2/health/ready
  default-server inter 500ms fall 2 rise 1
frontend http
  bind 127.0.0.1:${ports.http}
  default_backend http_replicas
backend http_replicas
${servers(({ httpPort }) => `127.0.0.1:${httpPort} check`)}
frontend grpc
  bind 127.0.0.1:${ports.grpc} proto h2
  default_backend grpc_replicas
backend grpc_replicas
${servers(({ httpPort, grpcPort }) => `127.0.0.1:${grpcPort} proto h2 check port ${httpPort} check-proto h1`)}
frontend statistics
  bind 127.0.0.1:${ports.statistics}
  stats enable
  stats uri /
`;
}

class Balancer implements AsyncDisposable {
  readonly #child;
  readonly #file: string;
  readonly #at: string;
  #log = '';

  constructor(folder: string, ports: Ports, replicas: readonly Replica[]) {
    this.#file = join(folder, 'haproxy.cfg');
    this.#at = `127.0.0.1:${ports.statistics}`;
    writeFileSync(this.#file, configuration(ports, replicas));
    this.#child = spawn('haproxy', ['-db', '-f', this.#file], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text: string) => {
        this.#log += text;
      });
    }
  }

  /** @returns true when both backends of the replica are up, in HAProxy's eyes */
  async isUp(replica: string): Promise<boolean> {
    assert.equal(this.#child.exitCode, null, this.#log);
    const page = await askHttp(this.#at, 'GET', '/;csv').catch(() => undefined);
    const rows = (page?.body ?? '').split('\n').map((line) => line.split(','));
    const status = rows[0]?.indexOf('status') ?? -1;
    const found = rows.filter((row) => row[1] === replica);
    return found.length === 2 && found.every((row) => row[status] === 'UP');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) {
      const exited = once(this.#child, 'exit');
      this.#child.kill('SIGTERM');
      await exited;
    }
    rmSync(this.#file);
  }
}

/** @param effort `count` restarts, of one replica after the other */
async function run({ count, log }: Effort): Promise<Figures> {
  using repository = new TempRepository();
  await repository.addIdentity('steady');
  const [http = 0, grpc = 0, statistics = 0, ...rest] = await freePorts(7);
  const replicas = ['left', 'right'].map((name, i) => ({
    name,
    httpPort: rest[2 * i] ?? 0,
    grpcPort: rest[2 * i + 1] ?? 0,
  }));
  const start = ({ name, httpPort, grpcPort }: Replica): Promise<Running> =>
    startNereid({
      name,
      executable: 'nereid',
      args: [
        `--model-repository=${repository.path}`,
        `--http-port=${httpPort}`,
        `--grpc-port=${grpcPort}`,
        `--drain-delay-secs=${DRAIN_DELAY_SECS}`,
      ],
    });
  const servers = new Map<string, Running>();
  for (const replica of replicas) servers.set(replica.name, await start(replica));
  await using balancer = new Balancer(repository.path, { http, grpc, statistics }, replicas);
  const allUp = async (): Promise<boolean> =>
    (await Promise.all(replicas.map(({ name }) => balancer.isUp(name)))).every((isUp) => isUp);
  await until(allUp);

  const progress = new Progress(log);
  let isOver = false;
  let answered = 0;
  const work = async (client: InferClient, ok: number): Promise<void> => {
    for (let i = 0; !isOver; i++) {
      const data = Buffer.alloc(8, i);
      const answer = await client.infer({ model: 'steady', shape: [1, 2], data });
      assert.equal(answer.status, ok, answer.error);
      assert.ok(answer.data.equals(data));
      answered += 1;
    }
  };
  await using overHttp = new HttpInferClient(`127.0.0.1:${http}`, CLIENTS);
  await using overGrpc = new GrpcInferClient(`127.0.0.1:${grpc}`);
  const load = Promise.all([
    ...Array.from({ length: CLIENTS }, () => work(overHttp, 200)),
    ...Array.from({ length: CLIENTS }, () => work(overGrpc, 0)),
  ]);
  // A failed request ends the restarts too.
  let failure: unknown;
  load.catch((error: unknown) => {
    failure = error;
  });
  const more = (wanted: number) => until(() => failure !== undefined || answered >= wanted);
  try {
    for (let restart = 0; restart < count && failure === undefined; restart++) {
      const replica = replicas[restart % replicas.length];
      assert.ok(replica !== undefined);
      await more(answered + BETWEEN);
      const ended = await servers.get(replica.name)?.stop();
      assert.deepEqual(ended, { code: 0, signal: null });
      await more(answered + BETWEEN);
      servers.set(replica.name, await start(replica));
      await until(allUp);
      progress.tell(() => `${restart + 1} restarts, ${answered} answers`);
    }
    await more(answered + BETWEEN);
    isOver = true;
    await load;
  } finally {
    isOver = true;
    for (const server of servers.values()) await server.stop();
  }
  return { restarts: count, answered, failed: 0 };
}

export const rollingRestart: Scenario = {
  name: 'rolling-restart',
  about: 'two replicas behind HAProxy are started again in turn, and no request fails',
  short: { seconds: 0, count: 2 },
  perMinute: { count: 6 },
  run,
};
