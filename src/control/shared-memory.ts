// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { CudaRegion, RegionKind, RegisteredRegion, SystemRegion } from '../addon/regions.ts';
import type { Engine } from '../addon/types.ts';
import { notFound, type ServeError, unimplemented } from '../base/status.ts';

export type SharedMemoryEngine = Pick<
  Engine,
  'registerSystemRegion' | 'registerCudaRegion' | 'unregisterRegions' | 'regions'
>;

const LONG_NAME: Record<RegionKind, string> = {
  system: 'system shared memory',
  cuda: 'CUDA shared memory',
};

/** Regions of shared memory that clients register for their tensors. */
export class SharedMemory {
  readonly #engine: SharedMemoryEngine;
  readonly #isAllowed: boolean;

  /** @param isAllowed `--allow-client-shm`; without it nothing can be registered, and so there is nothing to see */
  constructor(engine: SharedMemoryEngine, isAllowed: boolean) {
    this.#engine = engine;
    this.#isAllowed = isAllowed;
  }

  /** @throws ServeError Unimplemented when switched off; AlreadyExists, Internal, InvalidArgument as native says */
  registerSystem(region: SystemRegion): void {
    this.checkAllowed();
    this.#engine.registerSystemRegion(region);
  }

  /** Errors as `registerSystem`. */
  registerCuda(region: CudaRegion): void {
    this.checkAllowed();
    this.#engine.registerCudaRegion(region);
  }

  /** @throws ServeError Unimplemented; looked at before the request is, as Triton does */
  checkAllowed(): void {
    if (this.#isAllowed) return;
    throw unimplemented(
      "Client shared memory is disabled. Start the server with '--allow-client-shm=true' to enable.",
    );
  }

  /** A region that is not there is no error. @param name empty = all of the kind */
  unregister(kind: RegionKind, name: string): void {
    if (this.#isAllowed) this.#engine.unregisterRegions(kind, name);
  }

  /**
   * @param name empty = all of the kind, by name
   * @throws ServeError NotFound for a name that is not there, or of the other kind
   */
  status<K extends RegionKind>(
    kind: K,
    name: string,
  ): readonly Extract<RegisteredRegion, { kind: K }>[] {
    const regions = this.#isAllowed ? this.#engine.regions() : [];
    const ofKind = regions.filter((region) => isOfKind(region, kind));
    if (name === '') return ofKind;
    const named = ofKind.filter((region) => region.name === name);
    if (named.length > 0) return named;
    throw regions.some((region) => region.name === name) ? otherKind(kind, name) : none(kind, name);
  }
}

const isOfKind = <K extends RegionKind>(
  region: RegisteredRegion,
  kind: K,
): region is Extract<RegisteredRegion, { kind: K }> => region.kind === kind;

const none = (kind: RegionKind, name: string): ServeError =>
  notFound(`Unable to find ${kind} shared memory region: '${name}'`);

const otherKind = (kind: RegionKind, name: string): ServeError => {
  const other = kind === 'system' ? 'cuda' : 'system';
  return notFound(
    `The region named '${name}' is registered as ${LONG_NAME[other]}, not ${LONG_NAME[kind]}`,
  );
};
