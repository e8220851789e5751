// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * A hash of file contents and further words.
 * @param folder what the paths are relative to
 * @param {readonly string[]} paths files and folders; a folder counts with all files below it; a path that is not there counts as absent
 * @param {readonly string[]} words anything else the result depends on
 * @param {(path: string) => boolean} accept leaves files out of folders when it says false for their path
 */
export function hashOf(folder, paths, words = [], accept = () => true) {
  const hash = createHash('sha256');
  for (const word of words) hash.update(`${word}\0`);
  for (const path of paths.flatMap((path) => filesBelow(folder, path, accept))) {
    hash.update(`${path}\0`);
    hash.update(readFileSync(join(folder, path)));
  }
  return hash.digest('hex');
}

function filesBelow(folder, path, accept) {
  const full = join(folder, path);
  if (!existsSync(full)) return [];
  let entries;
  try {
    entries = readdirSync(full, { withFileTypes: true });
  } catch (error) {
    if (error.code === 'ENOTDIR') return [path];
    throw error;
  }
  return entries
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const child = `${path}/${entry.name}`;
      if (entry.isDirectory()) return filesBelow(folder, child, accept);
      return entry.isFile() && accept(child) ? [child] : [];
    });
}

/** Remembers, in one small file each, for which inputs a step has succeeded. */
export class Stamps {
  #folder;

  constructor(folder) {
    this.#folder = folder;
  }

  /** True when the step succeeded for the same hash and what it made is still there. */
  isFresh(name, hash, outputs = []) {
    const file = join(this.#folder, name);
    return (
      existsSync(file) &&
      readFileSync(file, 'utf8') === hash &&
      outputs.every((path) => existsSync(path))
    );
  }

  /** Before a step starts: what it makes is not to be trusted until `write`. */
  clear(name) {
    rmSync(join(this.#folder, name), { force: true });
  }

  write(name, hash) {
    writeWhole(join(this.#folder, name), hash);
  }
}

/** Writes a file so that a reader sees the old or the new text, never a part. */
export function writeWhole(file, text) {
  mkdirSync(dirname(file), { recursive: true });
  const staged = `${file}.${process.pid}`;
  try {
    writeFileSync(staged, text);
    renameSync(staged, file);
  } finally {
    rmSync(staged, { force: true });
  }
}
