// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** Where a command writes. */
export interface Output {
  readonly isTerminal: boolean;
  write(text: string): void;
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

const CODES: Record<Style, readonly [on: number, off: number]> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
};

function descriptor(fd: number, isTerminal: boolean): Output {
  return {
    isTerminal,
    // Synchronous: the process may end right after, and a pipe would lose what was queued.
    write: (text) => {
      try {
        writeWhole(fd, Buffer.from(text));
      } catch {
        // A reader that closed its end wants no more.
      }
    },
  };
}

/** Nobody writes it: waiting for it is sleeping. */
const NEVER = new Int32Array(new SharedArrayBuffer(4));
const FULL_PIPE_MS = 5;

/** A pipe takes what it has room for, and one that does not block refuses while it has none. */
function writeWhole(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (thrown) {
      if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'EAGAIN')) throw thrown;
      Atomics.wait(NEVER, 0, 0, FULL_PIPE_MS);
    }
  }
}

export const stdout: Output = descriptor(1, process.stdout.isTTY === true);
export const stderr: Output = descriptor(2, process.stderr.isTTY === true);

/** Puts a style around text where that can be seen: on a terminal, unless NO_COLOR is set. */
export function styled(
  out: Output,
  style: Style,
  text: string,
  env: NodeJS.ProcessEnv = process.env,
): string {
  const noColor = env.NO_COLOR;
  if (!out.isTerminal || (noColor !== undefined && noColor !== '')) return text;
  const [on, off] = CODES[style];
  return `\x1b[${on}m${text}\x1b[${off}m`;
}

/** Asks a yes-or-no question; Enter means yes, Ctrl-D and Ctrl-C mean no. Only where `canAsk()` is true. */
export function askYesNo(question: string): Promise<boolean> {
  return new Promise((resolve) => {
    const lines = createInterface({ input: process.stdin, output: process.stderr });
    lines.once('close', () => resolve(false));
    // The terminal is in raw mode while a line is read: Ctrl-C arrives here and not as a signal.
    lines.once('SIGINT', () => {
      lines.close();
      process.kill(process.pid, 'SIGINT');
    });
    lines.question(`${question} [Y/n] `, (text) => {
      resolve(/^(y|yes)?$/i.test(text.trim()));
      lines.close();
    });
  });
}

/** True when a person sits at both ends. */
export const canAsk = (): boolean => process.stdin.isTTY === true && process.stderr.isTTY === true;

/** Lays rows out in columns, two spaces between; widths of plain text. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  }
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
