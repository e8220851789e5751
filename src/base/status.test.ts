// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { grpcNumber, httpStatus, ServeError, statusCodeFromNumber } from './status.ts';

describe('status table', () => {
  it('maps codes to gRPC numbers and HTTP statuses and back', () => {
    assert.equal(grpcNumber('InvalidArgument'), 3);
    assert.equal(httpStatus('InvalidArgument'), 400);
    assert.equal(httpStatus('ResourceExhausted'), 429);
    assert.equal(statusCodeFromNumber(14), 'Unavailable');
  });

  it('answers Unknown for a number outside the table', () => {
    assert.equal(statusCodeFromNumber(9), 'Unknown');
    assert.equal(statusCodeFromNumber(-1), 'Unknown');
  });
});

describe('ServeError.from', () => {
  it('gives a ServeError back as it is', () => {
    const error = new ServeError('NotFound', 'no');
    assert.equal(ServeError.from(error), error);
  });

  it('keeps code, sentence and cause of an addon error', () => {
    const thrown = Object.assign(new Error('model m is busy'), { code: 14 });
    const error = ServeError.from(thrown);
    assert.equal(error.code, 'Unavailable');
    assert.equal(error.message, 'model m is busy');
    assert.equal(error.cause, thrown);
  });

  for (const [thrown, code] of [
    [new Error('x'), 'Internal'],
    [Object.assign(new Error('x'), { code: 0 }), 'Internal'],
    [Object.assign(new Error('x'), { code: 'ENOENT' }), 'Internal'],
    ['text', 'Internal'],
    [undefined, 'Internal'],
    [new DOMException('x', 'AbortError'), 'Cancelled'],
    [new DOMException('x', 'TimeoutError'), 'DeadlineExceeded'],
  ] as const) {
    it(`turns ${String(thrown)} into ${code}`, () => {
      assert.equal(ServeError.from(thrown).code, code);
    });
  }
});
