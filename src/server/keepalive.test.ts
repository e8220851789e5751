// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { keepaliveOf } from './keepalive.ts';

const given = {
  grpcKeepaliveTimeMs: 7_200_000,
  grpcKeepaliveTimeoutMs: 20_000,
  grpcKeepalivePermitWithoutCalls: false,
  grpcHttp2MaxPingsWithoutData: 2,
  grpcHttp2MinRecvPingIntervalWithoutDataMs: 300_000,
  grpcHttp2MaxPingStrikes: 2,
  grpcMaxConnectionAgeMs: undefined,
  grpcMaxConnectionAgeGraceMs: undefined,
};

describe('keepaliveOf', () => {
  it('takes the flags as they are', () => {
    assert.deepEqual(keepaliveOf(given), {
      pingAfterMs: 7_200_000,
      pingTimeoutMs: 20_000,
      pingsWithoutCalls: false,
      minPingIntervalMs: 300_000,
      maxPingStrikes: 2,
      maxConnectionAgeMs: 0,
      maxConnectionAgeGraceMs: 0,
    });
  });

  it('takes the largest number for never, as gRPC core does', () => {
    const never = 2 ** 31 - 1;
    const { pingAfterMs, pingTimeoutMs, maxConnectionAgeMs, maxConnectionAgeGraceMs } = keepaliveOf(
      {
        ...given,
        grpcKeepaliveTimeMs: never,
        grpcKeepaliveTimeoutMs: never,
        grpcMaxConnectionAgeMs: never,
        grpcMaxConnectionAgeGraceMs: never,
      },
    );
    assert.deepEqual(
      [pingAfterMs, pingTimeoutMs, maxConnectionAgeMs, maxConnectionAgeGraceMs],
      [0, 0, 0, 0],
    );
  });

  it('raises what is too short to the least that gRPC core knows', () => {
    const raised = keepaliveOf({
      ...given,
      grpcKeepaliveTimeMs: 0,
      grpcKeepaliveTimeoutMs: -5,
      grpcHttp2MaxPingsWithoutData: -1,
      grpcHttp2MinRecvPingIntervalWithoutDataMs: -1,
      grpcHttp2MaxPingStrikes: -1,
      grpcMaxConnectionAgeMs: -1,
      grpcMaxConnectionAgeGraceMs: 0,
    });
    assert.deepEqual(raised, {
      pingAfterMs: 1,
      pingTimeoutMs: 1,
      pingsWithoutCalls: false,
      minPingIntervalMs: 0,
      maxPingStrikes: 0,
      maxConnectionAgeMs: 1,
      maxConnectionAgeGraceMs: 0,
    });
  });
});
