// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { environmentHelp } from './environment.ts';
import { serverFlags } from './flag-table.ts';
import type { Flag } from './flags/flag.ts';
import type { Program } from './options.ts';
import type { ServerOptions } from './server-options.ts';

const WIDTH = 88;

type AnyFlag = Flag<ServerOptions>;

/** The flags as `--help` prints them, grouped, with the defaults of one program. */
export function flagsHelp(program: Program): string {
  const lines: string[] = [];
  for (const [group, flags] of groups(program)) {
    lines.push(`${group}:`);
    for (const flag of flags) {
      lines.push(`  --${flag.name}${flag.value === '' ? '' : ` ${flag.value}`}`);
      lines.push(...wrap(describe(flag, program), WIDTH - 8).map((line) => `        ${line}`));
    }
    lines.push('');
  }
  return lines.join('\n');
}

/** docs/flags.md: generated, so that the page cannot say anything but the table. */
export function flagsPage(): string {
  const lines = [
    '# Flags',
    '',
    '`tritonserver` has the defaults of Triton, `nereid serve` safer ones: the same program under two names. Written by',
    '`nereid help flags --markdown` from `src/config/flags`; do not edit.',
    '',
    '`--flag=value` and `--flag value` are the same. Booleans take true, on, 1, false, off and 0 in any case. Flags marked',
    '*repeats* may be given several times.',
    '',
  ];
  for (const [group, flags] of groups(undefined)) {
    lines.push(
      `## ${group}`,
      '',
      '| flag | `tritonserver` | `nereid serve` | meaning |',
      '|---|---|---|---|',
    );
    for (const flag of flags) lines.push(pageRow(flag));
    lines.push('');
  }
  lines.push(
    '## Environment',
    '',
    'Read where Triton reads it, under both names. A flag wins over a variable.',
    '',
    '| variable | meaning |',
    '|---|---|',
    ...environmentHelp.map(([names, meaning]) => `| ${code(names)} | ${meaning} |`),
    '',
  );
  return lines.join('\n');
}

function code(names: string): string {
  return names.replace(/[A-Z_]+/g, '`$&`');
}

function pageRow(flag: AnyFlag): string {
  const name = `\`--${flag.name}${flag.value === '' ? '' : ` ${flag.value}`}\``;
  const [triton, nereid] = (['tritonserver', 'nereid'] as const).map((program) => {
    const value = flag.defaults?.[program];
    return value === undefined || value === '' ? '–' : `\`${value}\``;
  });
  return `| ${name} | ${triton} | ${nereid} | ${meaning(flag)} |`;
}

function describe(flag: AnyFlag, program: Program): string {
  const initial = flag.defaults?.[program];
  return `${meaning(flag)}${initial === undefined ? '' : ` Default: ${initial}.`}`;
}

function meaning(flag: AnyFlag): string {
  const effect = flag.withoutEffect === undefined ? '' : ` No effect: ${flag.withoutEffect}.`;
  return `${flag.help}${effect}${flag.repeats === true ? ' Repeats.' : ''}`;
}

function groups(program: Program | undefined): Map<string, AnyFlag[]> {
  const result = new Map<string, AnyFlag[]>();
  for (const flag of serverFlags) {
    if (program !== undefined && flag.only !== undefined && flag.only !== program) continue;
    const list = result.get(flag.group);
    if (list === undefined) result.set(flag.group, [flag]);
    else list.push(flag);
  }
  return result;
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  if (line !== '') lines.push(line);
  return lines;
}
