// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readSummary } from './load-client.ts';

const summary = (done: number, ok: number, dataBytes: number) => `
finished in 812.35ms, 12309.94 req/s, 1.50MB/s
requests: 10000 total, 10000 started, 10000 done, ${done} succeeded, ${10_000 - done} failed, 0 errored, 0 timeout
status codes: ${ok} 2xx, 0 3xx, 0 4xx, ${10_000 - ok} 5xx
traffic: 1.22MB (1280180) total, 97.66KB (100000) headers (space savings 95.00%), 1.03MB (${dataBytes}) data
`;

describe('readSummary', () => {
  it('takes a run in which every answer came whole', () => {
    const result = readSummary(summary(10_000, 10_000, 1_080_000), 10_000, 108);
    assert.deepEqual(result, {
      requests: 10_000,
      wallS: 0.81235,
      requestsPerSecond: 10_000 / 0.81235,
      dataBytes: 1_080_000,
    });
  });

  it('refuses a run with a failed request, an error status or one answer without a body', () => {
    assert.throws(() => readSummary(summary(9999, 9999, 1_080_000), 10_000, 108), /9999 succeeded/);
    assert.throws(() => readSummary(summary(10_000, 9999, 1_080_000), 10_000, 108), /9999 2xx/);
    const short = 1_080_000 - 108;
    assert.throws(() => readSummary(summary(10_000, 10_000, short), 10_000, 108), /1079892 bytes/);
  });

  it('refuses what is no summary', () => {
    assert.throws(() => readSummary('could not connect', 1, 1), /could not connect/);
  });
});
