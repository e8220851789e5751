// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeEngine } from '../../test/support/fake-engine.ts';
import { SharedMemory } from './shared-memory.ts';

const SYSTEM = { name: 's', key: '/k', offset: 4n, byteSize: 8n };
const CUDA = { name: 'c', rawHandle: new Uint8Array(64), deviceId: 1n, byteSize: 8n };

describe('shared memory of clients', () => {
  it('shows a region by its kind and name', () => {
    const memory = new SharedMemory(new FakeEngine(), true);
    memory.registerSystem(SYSTEM);
    memory.registerCuda(CUDA);
    assert.deepEqual(memory.status('system', ''), [{ kind: 'system', ...SYSTEM }]);
    assert.deepEqual(memory.status('cuda', 'c'), [
      { kind: 'cuda', name: 'c', deviceId: 1n, byteSize: 8n },
    ]);
  });

  it("says in Triton's words what is not there", () => {
    const memory = new SharedMemory(new FakeEngine(), true);
    memory.registerSystem(SYSTEM);
    memory.registerCuda(CUDA);
    const refusals = [
      ['system', 'x', "Unable to find system shared memory region: 'x'"],
      ['cuda', 'x', "Unable to find cuda shared memory region: 'x'"],
      [
        'cuda',
        's',
        "The region named 's' is registered as system shared memory, not CUDA shared memory",
      ],
      [
        'system',
        'c',
        "The region named 'c' is registered as CUDA shared memory, not system shared memory",
      ],
    ] as const;
    for (const [kind, name, message] of refusals) {
      assert.throws(() => memory.status(kind, name), { code: 'NotFound', message });
    }
  });

  it('unregisters one or all of a kind, and takes a name that is not there', () => {
    const memory = new SharedMemory(new FakeEngine(), true);
    memory.registerSystem(SYSTEM);
    memory.registerSystem({ ...SYSTEM, name: 't' });
    memory.registerCuda(CUDA);
    memory.unregister('cuda', 's');
    memory.unregister('system', 'nobody');
    assert.equal(memory.status('system', '').length, 2);
    memory.unregister('system', 's');
    assert.deepEqual(
      memory.status('system', '').map(({ name }) => name),
      ['t'],
    );
    memory.unregister('system', '');
    assert.equal(memory.status('system', '').length, 0);
    assert.equal(memory.status('cuda', '').length, 1);
  });

  it('registers nothing while it is switched off, and has nothing to show', () => {
    const memory = new SharedMemory(new FakeEngine(), false);
    const refusal = {
      code: 'Unimplemented',
      message:
        "Client shared memory is disabled. Start the server with '--allow-client-shm=true' to enable.",
    };
    assert.throws(() => memory.registerSystem(SYSTEM), refusal);
    assert.throws(() => memory.registerCuda(CUDA), refusal);
    assert.deepEqual(memory.status('system', ''), []);
    assert.throws(() => memory.status('system', 's'), { code: 'NotFound' });
    memory.unregister('system', '');
  });
});
