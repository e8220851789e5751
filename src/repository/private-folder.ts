// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { readFileSync, readlinkSync } from 'node:fs';
import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

const PRIVATE_FOLDER = 0o700;

/** A folder that this user alone may enter and whose name tells which process made it. Made with its first use. */
export class PrivateFolder implements AsyncDisposable {
  readonly #parent: string;
  readonly #prefix: string;
  #path: Promise<string> | undefined;

  /**
   * @param parent folder that holds it
   * @param prefix of its name
   */
  constructor(parent: string, prefix: string) {
    this.#parent = parent;
    this.#prefix = prefix;
  }

  /** Absolute. Rejects when it cannot be made; the next call tries again. */
  async path(): Promise<string> {
    this.#path ??= mkdtemp(join(this.#parent, `${this.#prefix}${processName('self')}-`));
    try {
      return await this.#path;
    } catch (thrown) {
      this.#path = undefined;
      throw thrown;
    }
  }

  /** It is not there any more: the next use makes another one. */
  forget(): void {
    this.#path = undefined;
  }

  /** Removes such folders of processes of this machine that ended without a word. */
  async removeLeftovers(): Promise<void> {
    const prefix = this.#prefix;
    for (const name of await readdir(this.#parent).catch(() => [])) {
      if (!name.startsWith(prefix) || !isLeftover(name, prefix)) continue;
      const path = join(this.#parent, name);
      const info = await lstat(path).catch(() => undefined);
      // Only what is surely ours: a real folder of this user that nobody else may enter.
      if (info?.isDirectory() !== true || info.uid !== process.getuid?.()) continue;
      if ((info.mode & 0o777) !== PRIVATE_FOLDER) continue;
      await rm(path, { recursive: true, force: true }).catch(() => undefined);
    }
  }

  /** Removes the folder with everything in it. */
  async [Symbol.asyncDispose](): Promise<void> {
    const path = await this.#path?.catch(() => undefined);
    this.#path = undefined;
    if (path !== undefined) await rm(path, { recursive: true, force: true });
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
