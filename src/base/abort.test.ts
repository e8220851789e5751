// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { abortable, endsWithin, sleep, throwIfAborted } from './abort.ts';

describe('abortable', () => {
  it('gives the value when there is no signal or it has not fired', async () => {
    assert.equal(await abortable(Promise.resolve(1), undefined), 1);
    assert.equal(await abortable(Promise.resolve(2), new AbortController().signal), 2);
  });

  it('rejects with Cancelled when the signal fires first', async () => {
    const controller = new AbortController();
    const waiting = abortable(new Promise(() => undefined), controller.signal);
    controller.abort();
    await assert.rejects(waiting, { code: 'Cancelled' });
  });

  it('rejects at once when the signal fired before, and swallows the late rejection', async () => {
    await assert.rejects(abortable(Promise.reject(new Error('late')), AbortSignal.abort()), {
      code: 'Cancelled',
    });
  });
});

describe('endsWithin', () => {
  it('tells which of the two was first', async () => {
    assert.equal(await endsWithin(Promise.resolve('done'), 1e6), true);
    assert.equal(await endsWithin(new Promise(() => undefined), -1), false);
  });

  it('fails as the work does', async () => {
    await assert.rejects(endsWithin(Promise.reject(new Error('no')), 1e6), /no/);
  });
});

describe('sleep', () => {
  it('ends with the signal', async () => {
    const controller = new AbortController();
    const sleeping = sleep(1e6, controller.signal);
    controller.abort();
    await assert.rejects(sleeping, { code: 'Cancelled' });
  });
});

describe('throwIfAborted', () => {
  it('throws only when the signal has fired', () => {
    throwIfAborted(undefined);
    throwIfAborted(new AbortController().signal);
    assert.throws(() => throwIfAborted(AbortSignal.abort()), { code: 'Cancelled' });
  });
});
