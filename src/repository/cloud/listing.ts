// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { createHash } from 'node:crypto';
import { internal } from '../../base/status.ts';
import { pathProblem, shown } from '../override-files.ts';
import { isConfigFile, type VersionFolder } from '../source.ts';
import { versionOfFolder } from '../version-policy.ts';
import type { StoredObject } from './object-store.ts';

/** The objects of one model. */
export interface ModelListing {
  /** by their place in the model, such as `1/model.onnx`, sorted */
  readonly files: ReadonlyMap<string, StoredObject>;
  /** that hold files or were made empty, such as `1`, sorted */
  readonly folders: readonly string[];
  /** changes with every write of any of them */
  readonly fingerprint: string;
  /** the same of all but configurations */
  readonly contents: string;
  readonly bytes: number;
}

/** Names of models below a prefix, from the folders of a listing; hidden ones are none. */
export function modelNames(prefix: string, folders: Iterable<string>): string[] {
  const names = new Set<string>();
  for (const folder of folders) {
    const name = folder.slice(prefix.length).split('/', 1)[0] ?? '';
    if (name !== '' && !name.startsWith('.')) names.add(name);
  }
  return [...names].sort();
}

/**
 * Puts the objects of a model together.
 * @param prefix of the model, ends with `/`
 * @returns undefined when there is none
 * @throws ServeError Internal for an object that cannot be a file in the model's folder, by its name
 */
export function modelListing(
  prefix: string,
  objects: readonly StoredObject[],
): ModelListing | undefined {
  if (objects.length === 0) return undefined;
  const files = new Map<string, StoredObject>();
  const folders = new Set<string>();
  const contents = createHash('sha256');
  const configs = createHash('sha256');
  let bytes = 0;
  for (const object of [...objects].sort((a, b) => (a.key < b.key ? -1 : 1))) {
    const isFolder = object.key.endsWith('/');
    const path = object.key.slice(prefix.length, isFolder ? -1 : undefined);
    // The marker of the model's own folder.
    if (path === '' && isFolder) continue;
    const problem = pathProblem(path);
    if (problem !== undefined) {
      throw internal(`object ${shown(object.key)} is no file of a model: ${problem}`);
    }
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
      folders.add(path.slice(0, at));
    }
    if (isFolder) {
      folders.add(path);
      contents.update(`d${path}\0`);
    } else {
      files.set(path, object);
      bytes += object.bytes;
      const hash = isConfigFile(path) ? configs : contents;
      hash.update(`f${path}\0${object.bytes}\0${object.token}\0`);
    }
  }
  const both = [...folders].find((folder) => files.has(folder));
  if (both !== undefined) {
    const { key } = files.get(both) ?? { key: both };
    throw internal(`object ${shown(key)} is no file of a model: others lie inside it`);
  }
  const rest = contents.digest('hex');
  const fingerprint = `${configs.digest('hex')}${rest}`;
  return { files, folders: [...folders].sort(), fingerprint, contents: rest, bytes };
}

/** Numbered folders with the names directly inside. */
export function versionFolders({ files, folders }: ModelListing): VersionFolder[] {
  const inside = new Map<number, Set<string>>();
  for (const folder of folders) {
    const version = folder.includes('/') ? undefined : versionOfFolder(folder);
    if (version !== undefined) inside.set(version, new Set());
  }
  for (const path of [...files.keys(), ...folders]) {
    const [folder = '', name] = path.split('/', 2);
    const version = versionOfFolder(folder);
    if (version !== undefined && name !== undefined) inside.get(version)?.add(name);
  }
  return [...inside]
    .map(([version, names]) => ({ version, files: [...names].sort() }))
    .sort((a, b) => a.version - b.version);
}

/** Files that a build of these versions may read: all but those of other versions. */
export function filesOf(
  listing: ModelListing,
  versions: readonly number[],
): ReadonlyMap<string, StoredObject> {
  const wanted = new Set(versions);
  const isWanted = (path: string): boolean => {
    const [folder = '', inside] = path.split('/', 2);
    const version = inside === undefined ? undefined : versionOfFolder(folder);
    return version === undefined || wanted.has(version);
  };
  return new Map([...listing.files].filter(([path]) => isWanted(path)));
}
