// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from 'node:fs';
import { projectRoot } from '../../support/nereid.ts';

/** One row of the table of docs/compat.md, as a reader sees it. */
export interface Row {
  readonly probe: string;
  readonly tritonserver: string;
  readonly nereid: string;
  /** names of the flags that switch it */
  readonly flags: readonly string[];
}

const HEAD = '| probe | what | `tritonserver` | `nereid serve` | option |';

/** Reads the table; throws when a line of it has another form. */
export function readTable(): Row[] {
  const lines = readFileSync(`${projectRoot}docs/compat.md`, 'utf8').split('\n');
  const start = lines.indexOf(HEAD);
  if (start < 0) throw new Error(`docs/compat.md has no table that starts with ${HEAD}`);
  const rows: Row[] = [];
  for (const line of lines.slice(start + 2)) {
    if (!line.startsWith('|')) break;
    const [, probe, what, tritonserver, nereid, option, ...rest] = line
      .split('|')
      .map((cell) => cell.trim());
    if (!probe || !what || !tritonserver || !nereid || !option || rest.length !== 1) {
      throw new Error(`docs/compat.md: this row has not five cells: ${line}`);
    }
    const flags = [...option.matchAll(/`--([a-z0-9-]+)`/g)].map(([, flag = '']) => flag);
    rows.push({ probe, tritonserver, nereid, flags });
  }
  return rows;
}
