// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { readFileSync, readlinkSync } from 'node:fs';
import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

const PRIVATE_FOLDER = 0o700;

/**
 * Makes a folder that this user alone may enter and whose name tells which process made it.
 * @param prefix of its name
 */
export function makePrivateFolder(parent: string, prefix: string): Promise<string> {
  return mkdtemp(join(parent, `${prefix}${processName('self')}-`));
}

/** Removes such folders of processes of this machine that ended without a word. */
export async function removeLeftovers(parent: string, prefix: string): Promise<void> {
  for (const name of await readdir(parent).catch(() => [])) {
    if (!name.startsWith(prefix) || !isLeftover(name, prefix)) continue;
    const path = join(parent, name);
    const info = await lstat(path).catch(() => undefined);
    // Only what is surely ours: a real folder of this user that nobody else may enter.
    if (info?.isDirectory() !== true || info.uid !== process.getuid?.()) continue;
    if ((info.mode & 0o777) !== PRIVATE_FOLDER) continue;
    await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}

/**
 * Names a process for as long as the machine runs: its namespace of process ids, its id there and when it started.
 * @returns undefined when there is no such process
 */
function processName(id: string): string | undefined {
  try {
    const space = /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0];
    const stat = readFileSync(`/proc/${id}/stat`, 'latin1');
    const pid = Number.parseInt(stat, 10);
    // proc_pid_stat(5): field 22 is the start time; the second field may hold spaces and ends with the last ')'.
    const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return `${space}-${pid}-${started}`;
  } catch {
    return undefined;
  }
}

/** True when the process that made the folder is gone. One of another container cannot be told: it is left alone. */
function isLeftover(folder: string, prefix: string): boolean {
  const match = /^(\d+)-(\d+)-(\d+)-/.exec(folder.slice(prefix.length));
  if (match === null) return false;
  const [, space, pid = '', started] = match;
  const self = processName('self');
  if (self === undefined || !self.startsWith(`${space}-`)) return false;
  return processName(pid) !== `${space}-${pid}-${started}`;
}
