// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/** System shared memory as a client asks for it. Numbers are any of 64 bits without a sign. */
export interface SystemRegion {
  readonly name: string;
  /** of shm_open */
  readonly key: string;
  readonly offset: bigint;
  readonly byteSize: bigint;
}

/** Memory of a GPU as a client asks for it. */
export interface CudaRegion {
  readonly name: string;
  /** a cudaIpcMemHandle_t */
  readonly rawHandle: Uint8Array;
  readonly deviceId: bigint;
  readonly byteSize: bigint;
}

/** What a region lies in: memory of this machine, or of a GPU. */
export type RegionKind = 'system' | 'cuda';

/** A region that is registered. */
export type RegisteredRegion =
  | ({ readonly kind: 'system' } & SystemRegion)
  | ({ readonly kind: 'cuda' } & Omit<CudaRegion, 'rawHandle'>);

/** Part of a region, mapped as long as this object lives. */
export interface RegionMemory {
  readonly byteSize: number;
  /** a copy. Throws InvalidArgument when the client has taken the memory away. */
  read(): Uint8Array;
  /** at most `byteSize` bytes to its start; throws as `read` */
  write(bytes: Uint8Array): void;
}
