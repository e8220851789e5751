// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from 'node:fs';
import protobuf from 'protobufjs';

/**
 * The contracts of `protos/` as protobufjs reflection, read from the package once, on first use.
 * Field names stay as written (`max_batch_size`), so that errors and JSON need no translation. protobufjs holds 64-bit
 * values as `Long`: cross that border with `toBigInt` and `toLongBits` only, never with a JavaScript number.
 */

/** Files of `protos/`, in the order their imports need. */
const FILES = ['model_config', 'inference', 'health'] as const;

/** One contract file. */
export type ProtoFile = (typeof FILES)[number];

// src/config and dist/config lie equally deep, so the same address works before and after the build.
const PROTOS = new URL('../../protos/', import.meta.url);

const loaded = new Set<ProtoFile>();
const root = new protobuf.Root();

/**
 * A message type by its full name, e.g. `inference.ModelConfig`.
 * @param file the contract that declares it; read on first use (2–7 ms), free afterwards
 * @throws Error when the name is not declared: a mistake in our own code
 */
export function messageType(file: ProtoFile, name: string): protobuf.Type {
  load(file);
  return root.lookupType(name);
}

function load(file: ProtoFile): void {
  if (loaded.has(file)) return;
  if (file === 'inference') load('model_config');
  const text = readFileSync(new URL(`${file}.proto`, PROTOS), 'utf8');
  protobuf.parse(text, root, { keepCase: true });
  root.resolveAll();
  loaded.add(file);
}

/** The `inference.ModelConfig` type. */
export function modelConfigType(): protobuf.Type {
  return messageType('model_config', 'inference.ModelConfig');
}

/** The same type with what the contract says of each field, in a reflection of its own. */
export function documentedModelConfigType(): protobuf.Type {
  const text = readFileSync(new URL('model_config.proto', PROTOS), 'utf8');
  const { root: documented } = protobuf.parse(text, new protobuf.Root(), {
    keepCase: true,
    alternateCommentMode: true,
  });
  documented.resolveAll();
  return documented.lookupType('inference.ModelConfig');
}

/** A 64-bit value as protobufjs's encoder takes it. */
export interface LongBits {
  readonly low: number;
  readonly high: number;
  readonly unsigned: boolean;
}

const LONG_TYPES = new Set(['int64', 'sint64', 'sfixed64', 'uint64', 'fixed64']);

/** True for the scalar types that do not fit a JavaScript number. */
export function isLongType(type: string): boolean {
  return LONG_TYPES.has(type);
}

/** Bounds of an integer scalar type, or undefined for other types. */
export function integerRange(type: string): { min: bigint; max: bigint } | undefined {
  const match = /^(u?int|sint|s?fixed)(32|64)$/.exec(type);
  if (!match) return undefined;
  const size = 1n << BigInt(match[2] ?? '');
  return match[1] === 'uint' || match[1] === 'fixed'
    ? { min: 0n, max: size - 1n }
    : { min: -size / 2n, max: size / 2n - 1n };
}

/** Exact value of what protobufjs holds for a 64-bit field: a Long, or a number for small constants. */
export function toBigInt(value: unknown): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number') return BigInt(value);
  const { low, high, unsigned } = value as LongBits;
  const bits = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  return unsigned ? bits : BigInt.asIntN(64, bits);
}

/** The value as protobufjs's encoder takes it; exact over the whole range of int64 and uint64. */
export function toLongBits(value: bigint, unsigned: boolean): LongBits {
  return {
    low: Number(BigInt.asIntN(32, value)),
    high: Number(BigInt.asIntN(32, value >> 32n)),
    unsigned,
  };
}
