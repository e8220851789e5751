// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { RegionKind } from '../addon/regions.ts';
import { invalidArgument, type ServeError } from '../base/status.ts';
import type { SharedMemory } from '../control/shared-memory.ts';
import { readExactJson, writeJson } from './json.ts';

const HANDLE_BYTES = 64;
const UINT64_MAX = 2n ** 64n - 1n;

type Members = Readonly<Record<string, unknown>>;

/** The answer to a status call: a list also for one region. */
export function regionsJson(control: SharedMemory, kind: RegionKind, name: string): string {
  if (kind === 'cuda') {
    return writeJson(
      control.status('cuda', name).map((region) => ({
        name: region.name,
        device_id: region.deviceId,
        byte_size: region.byteSize,
      })),
    );
  }
  return writeJson(
    control
      .status('system', name)
      .map(({ name, key, offset, byteSize }) => ({ name, key, offset, byte_size: byteSize })),
  );
}

/**
 * Reads the body of a register call and registers the region.
 * @param name empty when the path has none
 * @throws ServeError in Triton's words
 */
export function registerRegion(
  control: SharedMemory,
  kind: RegionKind,
  name: string,
  body: Uint8Array,
): void {
  control.checkAllowed();
  if (name === '') {
    throw invalidArgument(`'region name' is necessary to register ${kind} shared memory region`);
  }
  const root = readExactJson(body);
  const members = isObject(root) ? root : {};
  if (kind === 'system') registerSystem(control, name, members);
  else registerCuda(control, name, members);
}

function registerSystem(control: SharedMemory, name: string, members: Members): void {
  const key = asString(member(members, 'key'));
  const offset = members.offset === undefined ? 0n : asUnsigned(members.offset);
  const byteSize = asUnsigned(member(members, 'byte_size'));
  control.registerSystem({ name, key, offset, byteSize });
}

function registerCuda(control: SharedMemory, name: string, members: Members): void {
  const handle = member(members, 'raw_handle');
  const encoded = asString(innerMember(isObject(handle) ? handle : {}, 'b64'));
  const byteSize = asUnsigned(innerMember(members, 'byte_size'));
  const deviceId = asUnsigned(innerMember(members, 'device_id'));
  const rawHandle = Buffer.from(encoded, 'base64');
  // The decoder passes over what is no base64.
  if (rawHandle.length !== HANDLE_BYTES || rawHandle.toString('base64') !== encoded) {
    throw invalidArgument("'raw_handle' must be a valid base64 encoded cudaIpcMemHandle_t");
  }
  control.registerCuda({ name, rawHandle, deviceId, byteSize });
}

const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function member(members: Members, name: string): unknown {
  if (Object.hasOwn(members, name)) return members[name];
  throw invalidArgument(`Shared memory register request has no '${name}' field`);
}

/** The same in the words of the JSON library behind Triton. */
function innerMember(members: Members, name: string): unknown {
  if (Object.hasOwn(members, name)) return members[name];
  throw invalidArgument(`attempt to access non-existing object member '${name}'`);
}

function asString(value: unknown): string {
  if (typeof value === 'string') return value;
  throw invalidArgument('attempt to access JSON non-string as string');
}

function asUnsigned(value: unknown): bigint {
  if (typeof value === 'bigint' && value <= UINT64_MAX) return value;
  throw notUnsigned();
}

const notUnsigned = (): ServeError =>
  invalidArgument('attempt to access JSON non-unsigned-integer as unsigned-integer');
