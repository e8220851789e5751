// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { createHash } from 'node:crypto';
import type { BigIntStats, Dirent } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve, sep } from 'node:path';
import { internal } from '../base/status.ts';
import {
  isConfigFile,
  type ModelFolder,
  type RepositorySource,
  type VersionFolder,
} from './source.ts';
import { versionOfFolder } from './version-policy.ts';

/** A configuration larger than this is a mistake, not a configuration. */
const MAX_CONFIG_BYTES = 16 * 1024 * 1024;
/** Folders further down are not looked at. */
const MAX_DEPTH = 16;

/** What all files of a model say together. */
interface Scan {
  readonly fingerprint: string;
  readonly contents: string;
  readonly bytes: number;
}

/** A folder of this machine whose folders are models. Links are followed. */
export class LocalSource implements RepositorySource {
  readonly location: string;
  readonly #configName: string;

  /** @param configName configuration to take from the folder `configs` of a model that has it; empty = none */
  constructor(path: string, configName = '') {
    this.location = resolve(path);
    this.#configName = configName;
  }

  async list(signal?: AbortSignal): Promise<string[]> {
    signal?.throwIfAborted();
    const entries = await this.#entries(this.location);
    const names: string[] = [];
    for (const entry of entries) {
      if (entry.name.startsWith('.')) continue;
      if (await isFolder(entry, this.location)) names.push(entry.name);
    }
    return names.sort();
  }

  async read(name: string, signal?: AbortSignal): Promise<ModelFolder | undefined> {
    signal?.throwIfAborted();
    const path = join(this.location, name);
    // First: what changes while the rest is read must change the next fingerprint.
    const scan = await this.#scan(name, signal);
    if (scan === undefined) return undefined;
    const entries = await this.#entries(path);
    const versions: VersionFolder[] = [];
    for (const entry of entries) {
      const version = versionOfFolder(entry.name);
      if (version === undefined || !(await isFolder(entry, path))) continue;
      const folder = join(path, entry.name);
      const files = (await this.#entries(folder)).map((file) => file.name).sort();
      versions.push({ version, files });
    }
    versions.sort((a, b) => a.version - b.version);
    return {
      name,
      ...(await this.#configOf(path)),
      versions,
      ...scan,
      locate: (file) => locate(path, file),
    };
  }

  async fingerprint(name: string, signal?: AbortSignal): Promise<string | undefined> {
    return (await this.#scan(name, signal))?.fingerprint;
  }

  async #scan(name: string, signal?: AbortSignal): Promise<Scan | undefined> {
    signal?.throwIfAborted();
    const path = join(this.location, name);
    const info = await stat(path, { bigint: true }).catch(() => undefined);
    return info?.isDirectory() === true ? scan(path, info) : undefined;
  }

  async #configOf(
    folder: string,
  ): Promise<{ configText: string | undefined; configFile?: string }> {
    if (this.#configName !== '') {
      const configFile = `configs/${this.#configName}.pbtxt`;
      const configText = await this.#config(join(folder, configFile));
      if (configText !== undefined) return { configText, configFile };
    }
    return { configText: await this.#config(join(folder, 'config.pbtxt')) };
  }

  async #entries(path: string): Promise<Dirent[]> {
    try {
      return await readdir(path, { withFileTypes: true });
    } catch (error) {
      const code = errorCode(error);
      const what = path === this.location ? 'the model repository' : 'a folder of the repository';
      const expected = 'expected a folder that this user may read';
      throw internal(`cannot read ${what} '${path}': ${expected}, got ${code}`, error);
    }
  }

  async #config(path: string): Promise<string | undefined> {
    try {
      const info = await stat(path);
      // Reading a pipe would wait for whoever writes to it, and hold one of the few threads that read files.
      if (!info.isFile() && !info.isDirectory()) {
        throw internal(`${basename(path)}: expected a file, got something that is none`);
      }
      if (info.size > MAX_CONFIG_BYTES) {
        throw internal(
          `${basename(path)}: expected at most ${MAX_CONFIG_BYTES} bytes, got ${info.size}`,
        );
      }
      return await readFile(path, 'utf8');
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      if (errorCode(error) === '') throw error;
      throw internal(`cannot read ${basename(path)}: got ${errorCode(error)}`, error);
    }
  }
}

async function isFolder(entry: Dirent, parent: string): Promise<boolean> {
  if (entry.isDirectory()) return true;
  if (!entry.isSymbolicLink()) return false;
  const info = await stat(join(parent, entry.name)).catch(() => undefined);
  return info?.isDirectory() === true;
}

async function locate(folder: string, file: string): Promise<string | undefined> {
  const path = resolve(folder, file);
  if (!path.startsWith(`${folder}${sep}`)) return undefined;
  const info = await stat(path).catch(() => undefined);
  return info?.isFile() === true ? path : undefined;
}

// Size and time instead of content: model files have gigabytes, and a load that changes nothing must be quick.
async function scan(root: string, info: BigIntStats): Promise<Scan> {
  // A folder that was moved has its files elsewhere.
  const contents = createHash('sha256').update(`${root}\0`);
  const configs = createHash('sha256');
  let bytes = 0;
  // Above the folder that is looked at: a link to one of them is a loop, and two such links would double at each turn.
  const above = new Set([identityOf(info)]);
  const visit = async (path: string, relative: string): Promise<void> => {
    if (above.size > MAX_DEPTH + 1) return;
    const entries = await readdir(path, { withFileTypes: true }).catch((error: unknown) => {
      contents.update(`e${relative}\0${errorCode(error)}\0`);
      return [];
    });
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      const child = join(path, entry.name);
      const info = await stat(child, { bigint: true }).catch(() => undefined);
      if (info === undefined) continue;
      const name = `${relative}/${entry.name}`;
      if (info.isDirectory()) {
        contents.update(`d${name}\0`);
        const identity = identityOf(info);
        if (above.has(identity)) continue;
        above.add(identity);
        await visit(child, name);
        above.delete(identity);
      } else {
        bytes += Number(info.size);
        const hash = isConfigFile(name.slice(1)) ? configs : contents;
        hash.update(`f${name}\0${info.size}\0${info.mtimeNs}\0${info.ino}\0`);
      }
    }
  };
  await visit(root, '');
  const rest = contents.digest('hex');
  return { fingerprint: `${configs.digest('hex')}${rest}`, contents: rest, bytes };
}

const identityOf = ({ dev, ino }: BigIntStats): string => `${dev}:${ino}`;

function errorCode(error: unknown): string {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^E[A-Z]/.test(code) ? code : '';
}
