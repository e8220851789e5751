// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';

describe('stdout', () => {
  it('has written all of a long text when the process ends', async () => {
    const terminal = new URL('terminal.ts', import.meta.url).href;
    const program = `const { stdout } = await import('${terminal}');
      stdout.write('ä'.repeat(2_000_000) + 'end');
      process.exit(0);`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '-e', program],
      { maxBuffer: 1 << 24 },
    );
    assert.equal(stdout.length, 2_000_003);
    assert.ok(stdout.endsWith('äend'));
  });
});
