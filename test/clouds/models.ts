// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../support/nereid.ts';

/** What a store of the tests can do. */
export interface Writable {
  put(key: string, body: string | Uint8Array): Promise<void>;
}

export const IDENTITY = `backend: "identity"
max_batch_size: 8
input [{ name: "IN" data_type: TYPE_INT32 dims: [ -1 ] }]
output [{ name: "OUT" data_type: TYPE_INT32 dims: [ -1 ] }]
`;

/** The example that reads digits, with its ONNX file. */
export async function putDigits(store: Writable, prefix = ''): Promise<void> {
  const folder = join(projectRoot, 'model_repository/digits');
  for (const file of ['config.pbtxt', 'labels.txt', '1/model.onnx']) {
    await store.put(`${prefix}digits/${file}`, readFileSync(join(folder, file)));
  }
}

/** A model without files: its version folder is an object whose name ends with a slash. */
export async function putIdentity(store: Writable, name: string, config = ''): Promise<void> {
  await store.put(`${name}/config.pbtxt`, IDENTITY + config);
  await store.put(`${name}/1/`, '');
}

export const SEVEN: string = readFileSync(join(projectRoot, 'docs/examples/digits/7.json'), 'utf8');
