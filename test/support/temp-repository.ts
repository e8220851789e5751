// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** One INT32 input IN and one output OUT. */
const TENSORS = `input [{ name: "IN" data_type: TYPE_INT32 dims: [ -1 ] }]
output [{ name: "OUT" data_type: TYPE_INT32 dims: [ -1 ] }]
`;

/** A model repository in a folder of its own, removed with it. */
export class TempRepository implements Disposable {
  readonly path: string;
  #writes = 0;

  constructor() {
    this.path = mkdtempSync(join(tmpdir(), 'nereid-repository-'));
  }

  /** Adds or replaces an identity model. @param config text added to its configuration */
  async addIdentity(name: string, versions: readonly number[] = [1], config = ''): Promise<void> {
    await this.add(name, 'identity', versions, config);
  }

  /** Adds a model of INT32[-1] → INT32[-1], IN and OUT. */
  async add(
    name: string,
    backend: string,
    versions: readonly number[] = [1],
    config = '',
  ): Promise<void> {
    await this.#addModel(
      name,
      `backend: "${backend}"\nmax_batch_size: 8\n${TENSORS}${config}`,
      versions,
    );
  }

  /** Adds a model whose executions wait until `testDoor` says `{ action: 'open' }`. @param config as `addIdentity` */
  async addGate(name: string, config = ''): Promise<void> {
    const closed = 'parameters { key: "closed" value { string_value: "true" } }';
    await this.add(name, 'gate', [1], `${closed}\n${config}`);
  }

  /** Adds an ensemble of models with IN and OUT, each of which takes what the one before made. */
  async addChain(
    name: string,
    models: readonly string[],
    { maxBatchSize = 8, config = '' } = {},
  ): Promise<void> {
    const steps = models.map((model, i) => {
      const from = i === 0 ? 'IN' : `t${i}`;
      const to = i === models.length - 1 ? 'OUT' : `t${i + 1}`;
      return `step { model_name: "${model}" model_version: -1
        input_map { key: "IN" value: "${from}" } output_map { key: "OUT" value: "${to}" } }`;
    });
    const text = `platform: "ensemble" max_batch_size: ${maxBatchSize}
${TENSORS}ensemble_scheduling { ${steps.join('\n')} }
${config}`;
    await this.#addModel(name, text, [1]);
  }

  async write(file: string, text: string): Promise<void> {
    const path = join(this.path, file);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
    // Two writes within one tick of the file system's clock must still differ.
    this.#writes += 1;
    const time = new Date(1_700_000_000_000 + this.#writes * 1000);
    await utimes(path, time, time);
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.path, name), { recursive: true });
  }

  async #addModel(name: string, config: string, versions: readonly number[]): Promise<void> {
    await this.write(`${name}/config.pbtxt`, config);
    for (const version of versions)
      await mkdir(join(this.path, name, String(version)), { recursive: true });
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
