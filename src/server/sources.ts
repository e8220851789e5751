// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { tmpdir } from 'node:os';
import type { ServerOptions } from '../config/server-options.ts';
import {
  type CloudPath,
  type CloudScheme,
  isCloudPath,
  parseCloudPath,
} from '../repository/cloud/cloud-path.ts';
import { CloudSource } from '../repository/cloud/cloud-source.ts';
import { Copies } from '../repository/cloud/copies.ts';
import { readCredentials } from '../repository/cloud/credentials.ts';
import type { ObjectStore } from '../repository/cloud/object-store.ts';
import { loadStorePackage } from '../repository/cloud/packages.ts';
import { LocalSource } from '../repository/local-source.ts';
import type { RepositorySource } from '../repository/source.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Where Triton is told to keep the copies of models. */
const MOUNT_VARIABLES: Readonly<Record<CloudScheme, string>> = {
  s3: 'TRITON_AWS_MOUNT_DIRECTORY',
  gs: 'TRITON_GCS_MOUNT_DIRECTORY',
  as: 'TRITON_AZURE_MOUNT_DIRECTORY',
};

/** The repositories of a server. */
export class Sources implements AsyncDisposable {
  readonly all: RepositorySource[];
  readonly #clouds: readonly CloudSource[];
  readonly #copies = new Map<string, Copies>();

  /** @throws ServeError InvalidArgument for a path in a cloud that names no bucket */
  constructor(
    options: Pick<ServerOptions, 'modelRepositories' | 'modelConfigName'>,
    env: Env = process.env,
  ) {
    const { modelConfigName: configName } = options;
    this.all = options.modelRepositories.map((path) => {
      if (!isCloudPath(path)) return new LocalSource(path, configName);
      const parsed = parseCloudPath(path);
      const open = () => openStore(parsed, env);
      return new CloudSource({
        path: parsed,
        open,
        copies: this.#copiesOf(parsed, env),
        configName,
      });
    });
    this.#clouds = this.all.filter((source) => source instanceof CloudSource);
  }

  /** Removes what servers of this machine that ended without a word have left behind. */
  async removeLeftovers(): Promise<void> {
    for (const copies of this.#copies.values()) await copies.removeLeftovers();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const source of this.#clouds) await source[Symbol.asyncDispose]();
    for (const copies of this.#copies.values()) await copies[Symbol.asyncDispose]();
  }

  #copiesOf({ scheme }: CloudPath, env: Env): Copies {
    const given = env[MOUNT_VARIABLES[scheme]];
    const folder = given === undefined || given === '' ? tmpdir() : given;
    const copies = this.#copies.get(folder) ?? new Copies(folder);
    this.#copies.set(folder, copies);
    return copies;
  }
}

async function openStore(path: CloudPath, env: Env): Promise<ObjectStore> {
  const { openStore: open } = await loadStorePackage(path.scheme);
  const { bucket, endpoint, account } = path;
  const credentials = await readCredentials(path.scheme, path.location, env);
  return open({ bucket, endpoint, account, credentials, env });
}
