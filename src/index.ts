// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { NereidServer } from './server/library.ts';
import type { CreateServerOptions } from './server/library-options.ts';

export type { DataType } from './addon/data-type.ts';
export { ServeError, type StatusCode } from './base/status.ts';
export type { IndexRow, VersionStateName } from './lifecycle/model-state.ts';
export type {
  ListRequest,
  ObjectContent,
  ObjectPage,
  ObjectStore,
  StoredObject,
  StoreError,
  StoreOptions,
  StorePackage,
  StoreProblem,
} from './repository/cloud/object-store.ts';
export type {
  Address,
  InferRequest,
  InferResult,
  ListenAt,
  NereidServer,
} from './server/library.ts';
export type { CreateServerOptions, FlagOptions } from './server/library-options.ts';
export type { DataTypeArrays, InputTensor, OutputTensor } from './server/tensors.ts';

/**
 * Makes a model server inside this process. It serves in-process calls at once and the network after `listen`.
 * @throws ServeError when the repository, or a model of `loadModels`, cannot be read
 */
export function createServer(options: CreateServerOptions): Promise<NereidServer> {
  return NereidServer.create(options);
}
