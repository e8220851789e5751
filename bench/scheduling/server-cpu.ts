// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { GrpcInferClient, type Rows } from '../../test/support/infer-clients.ts';
import { startNereid } from '../../test/support/nereid.ts';
import type { Running } from '../../test/support/server-facts.ts';
import type { TempRepository } from '../../test/support/temp-repository.ts';
import { cpuBetween, readTree } from '../process-tree.ts';

const IN_FLIGHT = 64;

/** What one of the clients at work sends as its `step`th request; both count from 0. */
export type NextRequest = (client: number, step: number) => Rows;

export const ROW = { shape: [1, 16], data: Buffer.alloc(64, 7) } as const;

export const always = (model: string): NextRequest => {
  const rows = { ...ROW, model };
  return () => rows;
};

export const start = (repository: TempRepository, args: readonly string[] = []): Promise<Running> =>
  startNereid({
    args: [`--model-repository=${repository.path}`, '--enable-test-backends', ...args],
  });

/** Server CPU of one request, µs, with 64 of them in flight over one gRPC connection. */
export async function cpuPerRequest(
  server: Running,
  next: NextRequest,
  requests: number,
): Promise<number> {
  const pid = server.pid ?? 0;
  await using client = new GrpcInferClient(server.endpoints.grpc);
  const steps = Math.ceil(requests / IN_FLIGHT);
  let from = 0;
  const load = async (count: number): Promise<void> => {
    const work = async (worker: number): Promise<void> => {
      for (let step = from; step < from + count; step++) {
        const { status, error } = await client.infer(next(worker, step));
        if (status !== 0) throw new Error(error);
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, (_, worker) => work(worker)));
    from += count;
  };
  await load(Math.ceil(steps / 4));
  const before = readTree(pid);
  await load(steps);
  return cpuBetween(before, readTree(pid)).cpuNs / 1000 / (steps * IN_FLIGHT);
}
