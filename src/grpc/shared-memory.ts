// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { RegionKind } from '../addon/regions.ts';
import type { ControlService } from '../control/service.ts';

type Request = Readonly<Record<string, unknown>>;

const NOTHING = {};

/** Fields of a SystemSharedMemoryStatusResponse. */
export function systemRegions(request: Request, { sharedMemory }: ControlService): object {
  const rows = sharedMemory.status('system', String(request.name ?? ''));
  const messages = rows.map(({ name, key, offset, byteSize }): [string, object] => [
    name,
    { name, key, offset, byte_size: byteSize },
  ]);
  return { regions: Object.fromEntries(messages) };
}

/** Fields of a CudaSharedMemoryStatusResponse. */
export function cudaRegions(request: Request, { sharedMemory }: ControlService): object {
  const rows = sharedMemory.status('cuda', String(request.name ?? ''));
  const messages = rows.map(({ name, deviceId, byteSize }): [string, object] => [
    name,
    { name, device_id: deviceId, byte_size: byteSize },
  ]);
  return { regions: Object.fromEntries(messages) };
}

export function registerSystemRegion(request: Request, { sharedMemory }: ControlService): object {
  sharedMemory.registerSystem({
    name: String(request.name),
    key: String(request.key),
    offset: BigInt(String(request.offset)),
    byteSize: BigInt(String(request.byte_size)),
  });
  return NOTHING;
}

export function registerCudaRegion(request: Request, { sharedMemory }: ControlService): object {
  sharedMemory.registerCuda({
    name: String(request.name),
    rawHandle: request.raw_handle as Uint8Array,
    deviceId: BigInt(String(request.device_id)),
    byteSize: BigInt(String(request.byte_size)),
  });
  return NOTHING;
}

export function unregister(
  kind: RegionKind,
  request: Request,
  { sharedMemory }: ControlService,
): object {
  sharedMemory.unregister(kind, String(request.name ?? ''));
  return NOTHING;
}
