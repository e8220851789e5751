// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeEngine } from '../../test/support/fake-engine.ts';
import { SharedMemory } from '../control/shared-memory.ts';
import { regionsJson, registerRegion } from './shared-memory.ts';

const HANDLE = Buffer.alloc(64, 'x').toString('base64');
const NO_UNSIGNED = 'attempt to access JSON non-unsigned-integer as unsigned-integer';
const NO_STRING = 'attempt to access JSON non-string as string';
const NO_HANDLE = "'raw_handle' must be a valid base64 encoded cudaIpcMemHandle_t";

describe('the HTTP column of shared memory', () => {
  const memory = () => new SharedMemory(new FakeEngine(), true);
  const register = (control: SharedMemory, kind: 'system' | 'cuda', name: string, body: unknown) =>
    registerRegion(
      control,
      kind,
      name,
      Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    );

  it('registers and shows regions, sizes to the last digit', () => {
    const control = memory();
    register(
      control,
      'system',
      'a"b',
      '{"key":"/k","offset":9007199254740993,"byte_size":7,"x":1.5}',
    );
    register(control, 'cuda', 'c', { raw_handle: { b64: HANDLE }, device_id: 3, byte_size: 16 });
    assert.equal(
      regionsJson(control, 'system', ''),
      '[{"name":"a\\"b","key":"/k","offset":9007199254740993,"byte_size":7}]',
    );
    assert.equal(regionsJson(control, 'cuda', 'c'), '[{"name":"c","device_id":3,"byte_size":16}]');
  });

  it("refuses in Triton's words what is no register request", () => {
    const cuda = (more: object) => ({
      raw_handle: { b64: HANDLE },
      device_id: 0,
      byte_size: 4,
      ...more,
    });
    const cases: readonly ['system' | 'cuda', unknown, string][] = [
      ['system', '', 'failed to parse the request JSON buffer: The document is empty. at 0'],
      ['system', [], "Shared memory register request has no 'key' field"],
      ['system', {}, "Shared memory register request has no 'key' field"],
      ['system', { key: '/k' }, "Shared memory register request has no 'byte_size' field"],
      ['system', { key: 1, byte_size: 4 }, NO_STRING],
      ['system', { key: '/k', byte_size: '4' }, NO_UNSIGNED],
      ['system', { key: '/k', byte_size: -1 }, NO_UNSIGNED],
      ['system', { key: '/k', byte_size: 1.5 }, NO_UNSIGNED],
      ['system', '{"key":"/k","byte_size":1e3}', NO_UNSIGNED],
      ['system', '{"key":"/k","byte_size":18446744073709551616}', NO_UNSIGNED],
      ['system', { key: '/k', byte_size: 4, offset: null }, NO_UNSIGNED],
      ['cuda', {}, "Shared memory register request has no 'raw_handle' field"],
      ['cuda', cuda({ raw_handle: HANDLE }), "attempt to access non-existing object member 'b64'"],
      ['cuda', cuda({ raw_handle: { b64: 3 } }), NO_STRING],
      [
        'cuda',
        { raw_handle: { b64: HANDLE } },
        "attempt to access non-existing object member 'byte_size'",
      ],
      [
        'cuda',
        { raw_handle: { b64: HANDLE }, byte_size: 4 },
        "attempt to access non-existing object member 'device_id'",
      ],
      ['cuda', cuda({ device_id: -1 }), NO_UNSIGNED],
      ['cuda', cuda({ raw_handle: { b64: 'eHh4' } }), NO_HANDLE],
      ['cuda', cuda({ raw_handle: { b64: `${HANDLE}eHh4` } }), NO_HANDLE],
      ['cuda', cuda({ raw_handle: { b64: `!${HANDLE}` } }), NO_HANDLE],
    ];
    for (const [kind, body, message] of cases) {
      const shown = JSON.stringify(body);
      assert.throws(
        () => register(memory(), kind, 'r', body),
        { code: 'InvalidArgument', message },
        shown,
      );
    }
    for (const kind of ['system', 'cuda'] as const) {
      assert.throws(() => register(memory(), kind, '', {}), {
        message: `'region name' is necessary to register ${kind} shared memory region`,
      });
    }
  });

  it('reads nothing of the request while it is switched off', () => {
    const control = new SharedMemory(new FakeEngine(), false);
    assert.throws(() => register(control, 'system', 'r', '{'), { code: 'Unimplemented' });
  });
});
