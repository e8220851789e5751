// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Endpoints } from './server-process.ts';

/** What the test backend `gate` tells: executions that wait at the gate, and those that have ended. */
export interface GateState {
  readonly waiting: number;
  readonly executed: number;
}

/**
 * Speaks to a model of a test backend, of a server that runs with `--enable-test-backends`.
 * @param control e.g. `{ action: 'open' }`; empty asks for the state only
 */
export async function testDoor(
  { http }: Pick<Endpoints, 'http'>,
  model: string,
  control: object,
): Promise<GateState> {
  const response = await fetch(`http://${http}/v2/test/${model}`, {
    method: 'POST',
    body: JSON.stringify(control),
  });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`/v2/test/${model}: ${response.status} ${text}`);
  return JSON.parse(text) as GateState;
}
