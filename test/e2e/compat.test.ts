// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { serverFlags } from '../../src/config/flag-table.ts';
import type { Program } from '../../src/config/flags/flag.ts';
import { startNereid } from '../support/nereid.ts';
import { TempRepository } from '../support/temp-repository.ts';
import { type Probe, probes, type Running, type Subject } from './compat/probes.ts';
import { readTable } from './compat/table.ts';

const PROGRAMS: readonly Program[] = ['tritonserver', 'nereid'];
const table = readTable();

describe('the table of docs/compat.md', () => {
  it('has a probe for each row, and a row for each probe', () => {
    const rows = table.map(({ probe }) => probe);
    assert.deepEqual(rows.toSorted(), Object.keys(probes).toSorted());
    assert.equal(new Set(rows).size, rows.length, 'a probe stands in one row');
  });

  it('names flags that there are', () => {
    const known = new Set(serverFlags.map(({ name }) => name));
    for (const { probe, flags } of table) {
      for (const flag of flags) assert.ok(known.has(flag), `${probe}: there is no --${flag}`);
    }
  });

  it('has every flag whose default depends on the name', () => {
    const named = new Set(table.flatMap(({ flags }) => flags));
    for (const { name, defaults } of serverFlags) {
      if (defaults === undefined || defaults.nereid === defaults.tritonserver) continue;
      assert.ok(named.has(name), `--${name} is in no row`);
    }
  });
});

describe('each row', () => {
  const repository = new TempRepository();
  const folder = mkdtempSync(join(tmpdir(), 'nereid-compat-'));
  const started: Running[] = [];
  const plain = new Map<Program, Subject>();
  const switched = new Map<Program, Subject>();

  const start = async (program: Program, args: readonly string[]): Promise<Subject> => {
    const server = await startNereid({
      executable: program,
      args: [`--model-repository=${repository.path}`, '--enable-test-backends', ...args],
    });
    started.push(server);
    return { program, server, args, folder };
  };

  before(async () => {
    await repository.addIdentity('m');
    await repository.write(
      'half/config.pbtxt',
      `backend: "identity" max_batch_size: 8
       input [{ name: "IN" data_type: TYPE_FP16 dims: [ -1 ] }]
       output [{ name: "OUT" data_type: TYPE_FP16 dims: [ -1 ] }]`,
    );
    await repository.write('half/1/empty', '');
    await repository.addGate(
      'full',
      'dynamic_batching { default_queue_policy { max_queue_size: 1 } }',
    );
    for (const program of PROGRAMS) {
      plain.set(program, await start(program, []));
      const args = Object.values(probes).flatMap(({ switched: option }) =>
        option === undefined || option.alone === true ? [] : option.args(program, folder),
      );
      switched.set(program, await start(program, args));
    }
  });

  after(async () => {
    await Promise.all(started.map((server) => server.stop()));
    repository[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const subjectOf = (subjects: ReadonlyMap<Program, Subject>, program: Program): Subject => {
    const subject = subjects.get(program);
    assert.ok(subject !== undefined);
    return subject;
  };

  for (const row of table) {
    const probe: Probe | undefined = probes[row.probe];
    if (probe === undefined) continue;
    for (const program of PROGRAMS) {
      it(`${row.probe} holds under the name ${program}`, async () => {
        assert.equal(await probe.ask(subjectOf(plain, program)), row[program]);
      });
      const option = probe.switched;
      if (option === undefined) continue;
      it(`${row.probe} is switched under the name ${program}`, async () => {
        const subject =
          option.alone === true
            ? await start(program, option.args(program, folder))
            : subjectOf(switched, program);
        const flags = option.args(program, folder).map((arg) => arg.replace(/^--|=.*$/g, ''));
        assert.ok(
          flags.some((flag) => row.flags.includes(flag)),
          `the row does not name --${flags[0]}`,
        );
        assert.equal(await probe.ask(subject), option.finds(program));
      });
    }
  }
});
