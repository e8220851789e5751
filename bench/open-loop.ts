// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { Agent, request } from 'node:http';

/** What came of requests that were sent at their times, whatever became of those before. */
export interface OpenLoopResult {
  readonly sent: number;
  readonly failed: number;
  /** milliseconds from the planned time of sending to the answer, ascending; of requests after the warm-up */
  readonly latenciesMs: readonly number[];
  /** answers to requests after the warm-up, by the time from the first of them to the last answer */
  readonly perSecond: number;
}

export interface OpenLoop {
  /** `host:port` */
  readonly at: string;
  readonly path: string;
  readonly body: string;
  readonly perSecond: number;
  readonly warmUpS: number;
  readonly seconds: number;
  readonly seed: number;
}

/** Times of a Poisson process in milliseconds from 0 on; the same seed gives the same. */
export function poissonTimes(perSecond: number, seconds: number, seed: number): number[] {
  const random = uniform(seed);
  const times: number[] = [];
  for (let at = gap(); at < seconds * 1000; at += gap()) times.push(at);
  return times;

  function gap(): number {
    return (-Math.log(1 - random()) * 1000) / perSecond;
  }
}

/** Sends requests at random times over as many connections as it takes. A late timer sends at once what is due. */
export async function runOpenLoop(options: OpenLoop): Promise<OpenLoopResult> {
  const { warmUpS, seconds } = options;
  const agent = new Agent({ keepAlive: true });
  const times = poissonTimes(options.perSecond, warmUpS + seconds, options.seed);
  const latenciesMs: number[] = [];
  const answers: Promise<void>[] = [];
  let failed = 0;
  const start = performance.now();
  const measured = start + warmUpS * 1000;
  let last = measured;
  const send = async (planned: number): Promise<void> => {
    const isRight = await post(agent, options);
    const now = performance.now();
    if (!isRight) failed++;
    if (planned < measured || !isRight) return;
    latenciesMs.push(now - planned);
    last = now;
  };
  await new Promise<void>((resolve) => {
    let next = 0;
    const sendDue = (): void => {
      const elapsed = performance.now() - start;
      for (; next < times.length && (times[next] ?? 0) <= elapsed; next++) {
        answers.push(send(start + (times[next] ?? 0)));
      }
      if (next === times.length) resolve();
      else setTimeout(sendDue, (times[next] ?? 0) - elapsed);
    };
    sendDue();
  });
  await Promise.all(answers);
  agent.destroy();
  latenciesMs.sort((a, b) => a - b);
  const perSecond = (latenciesMs.length * 1000) / Math.max(last - measured, 1);
  return { sent: times.length, failed, latenciesMs, perSecond };
}

function post(agent: Agent, { at, path, body }: OpenLoop): Promise<boolean> {
  const { hostname, port } = new URL(`http://${at}`);
  return new Promise((resolve) => {
    const call = request(
      { agent, hostname, port, path, method: 'POST', headers: { 'content-length': body.length } },
      (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode === 200));
        response.on('error', () => resolve(false));
      },
    );
    call.on('error', () => resolve(false));
    call.end(body);
  });
}

/** Numbers in 0 … 1, the same for the same seed (mulberry32). */
function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
