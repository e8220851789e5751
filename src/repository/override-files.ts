// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { invalidArgument } from '../base/status.ts';
import type { VersionFolder } from './source.ts';
import { versionOfFolder } from './version-policy.ts';

/** Files of one load. */
export type OverrideFiles = ReadonlyMap<string, Uint8Array>;

const MAX_OVERRIDE_FILES = 1024;
const MAX_PATH_BYTES = 1024;
const MAX_NAME_BYTES = 255;
const MAX_DEPTH = 16;
const SHOWN_KEY_CHARS = 80;

/**
 * Reads the keys of override files, `file:<version>/<path>`. A key names a place in the model that the load describes;
 * it never becomes a path of this machine.
 * @returns the files by their place in the model, such as `1/model.onnx`
 * @throws ServeError InvalidArgument for a key that could not be a file inside the model, for two keys of which one
 *   lies inside the other, for too many
 */
export function readOverrideKeys(files: OverrideFiles): Map<string, Uint8Array> {
  if (files.size > MAX_OVERRIDE_FILES) {
    throw invalidArgument(`expected at most ${MAX_OVERRIDE_FILES} files, got ${files.size}`);
  }
  const result = new Map<string, Uint8Array>();
  const folders = new Set<string>();
  for (const [key, bytes] of files) {
    const path = key.slice('file:'.length);
    const problem = pathProblem(path);
    if (problem !== undefined) {
      throw invalidArgument(`${shown(key)}: ${problem}, expected file:<version>/<path>`);
    }
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
      folders.add(path.slice(0, at));
    }
    result.set(path, bytes);
  }
  for (const path of result.keys()) {
    if (folders.has(path)) {
      throw invalidArgument(`${shown(`file:${path}`)}: another file of this load lies inside it`);
    }
  }
  return result;
}

/** Why a name cannot be a file in the folder of a model; undefined when it can. */
export function pathProblem(path: string): string | undefined {
  if (path === '') return 'the name is empty';
  // Half of a surrogate pair has no bytes of its own.
  if (Buffer.from(path).toString() !== path) return 'the name is no Unicode text';
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    return `the name has more than ${MAX_PATH_BYTES} bytes`;
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused.
  if (/[\u0000-\u001f\u007f\\]/.test(path))
    return 'the name has a control character or a backslash';
  if (path.startsWith('/')) return 'the name is absolute';
  const segments = path.split('/');
  if (segments.length > MAX_DEPTH) return `the name has more than ${MAX_DEPTH} parts`;
  for (const segment of segments) {
    if (segment === '') return 'a part of the name is empty';
    if (segment === '.' || segment === '..') return 'the name must not climb';
    if (Buffer.byteLength(segment) > MAX_NAME_BYTES) {
      return `a part of the name has more than ${MAX_NAME_BYTES} bytes`;
    }
  }
  return undefined;
}

/** A key as an error may repeat it: short and printable. */
export function shown(key: string): string {
  const short = key.length > SHOWN_KEY_CHARS ? `${key.slice(0, SHOWN_KEY_CHARS)}…` : key;
  return JSON.stringify(short);
}

const CODE_NAME = /\.(?:so(?:\.[\w.-]+)?|dylib|dll|a|o|ko|pyd|py|pyc|pyo|pyz)$/i;
const ELF = Buffer.from('\x7fELF', 'latin1');

/** The first file that would be run rather than read: by its name, or an ELF object whatever its name. */
export function findCode(files: OverrideFiles): string | undefined {
  for (const [path, bytes] of files) {
    if (CODE_NAME.test(path) || ELF.equals(bytes.subarray(0, ELF.length))) return path;
  }
  return undefined;
}

/** The version folders that the files make, ascending. */
export function versionsOf(paths: Iterable<string>): VersionFolder[] {
  const found = new Map<number, Set<string>>();
  for (const path of paths) {
    const [folder = '', name] = path.split('/');
    const version = versionOfFolder(folder);
    if (version === undefined || name === undefined) continue;
    const names = found.get(version) ?? new Set();
    found.set(version, names.add(name));
  }
  return [...found]
    .sort(([a], [b]) => a - b)
    .map(([version, names]) => ({ version, files: [...names].sort() }));
}
