// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import { internal } from '../base/status.ts';

const PROTOS = new URL('../../protos/', import.meta.url);

let root: protobuf.Root | undefined;

function typeOf(name: string): protobuf.Type {
  if (root === undefined) {
    // Read at the first gRPC control call: parsing takes some 20 ms that a start need not spend.
    const fresh = new protobuf.Root();
    fresh.resolvePath = (_origin, target) => fileURLToPath(new URL(target, PROTOS));
    fresh.loadSync('inference.proto', { keepCase: true });
    root = fresh;
  }
  return root.lookupType(`inference.${name}`);
}

/**
 * Reads one message of package `inference`. 64-bit integers come as decimal strings, bytes as Uint8Array, absent
 * fields with their default.
 * @throws ServeError Internal when the bytes are no such message
 */
export function decodeMessage(name: string, bytes: Uint8Array): Record<string, unknown> {
  const type = typeOf(name);
  try {
    return type.toObject(type.decode(bytes), { longs: String, defaults: true, oneofs: true });
  } catch (error) {
    // gRPC's own words and code, which name neither field nor offset.
    throw internal('Unable to parse request', error);
  }
}

/**
 * Writes one message of package `inference`.
 * @param fields by their names in the .proto; 64-bit integers as bigint
 */
export function encodeMessage(name: string, fields: object): Uint8Array {
  const type = typeOf(name);
  return type.encode(type.fromObject(plain(fields) as Record<string, unknown>)).finish();
}

/** A message whose only field is an encoded message: `ModelConfigResponse`. */
export function wrapMessage(fieldNumber: number, message: Uint8Array): Uint8Array {
  const LENGTH_DELIMITED = 2;
  return protobuf.Writer.create()
    .uint32((fieldNumber << 3) | LENGTH_DELIMITED)
    .bytes(message)
    .finish();
}

// protobufjs takes 64-bit integers exactly as decimal strings, but no bigint.
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(plain);
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, plain(field)]));
}
