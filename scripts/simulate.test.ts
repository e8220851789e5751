// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';

function simulate(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(import.meta.dirname, 'simulate.ts'), ...args],
    { encoding: 'utf8' },
  );
  return { status, stdout, stderr };
}

/** Runs the verb with a program that prints `text` and ends with `code`. */
function withProgram(text: string, code: number, ...args: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'nereid-simulate-'));
  try {
    const program = join(folder, 'program');
    writeFileSync(program, `#!/bin/sh\necho "$@"\necho '${text}'\nexit ${code}\n`);
    chmodSync(program, 0o755);
    return simulate(`--program=${program}`, ...args);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('npm run simulate', () => {
  it('tells how it is used', () => {
    assert.match(simulate('--help').stdout, /--events.*\n.*--seed/);
  });

  it('passes events and seed on and says the seed first', () => {
    const { status, stdout } = withProgram('nothing wrong', 0, '--events=1e8', '--seed=7');
    assert.equal(stdout, 'seed 7\n100000000 7\nnothing wrong\n');
    assert.equal(status, 0);
  });

  it('fails with the command that does it again', () => {
    const { status, stdout } = withProgram('seed 9: a request is lost', 1, '--seed=7');
    assert.match(
      stdout,
      /seed 9: a request is lost\nagain: npm run simulate -- --events=1 --seed=9\n$/,
    );
    assert.equal(status, 1);
  });

  it('refuses what is no number', () => {
    const { status, stderr } = simulate('--events=many');
    assert.deepEqual([status, stderr], [2, "--events: expected a whole number, got 'many'\n"]);
  });
});
