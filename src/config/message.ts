// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Enum, Field, Type } from 'protobufjs';
import type { ModelConfig } from './model-config.ts';
import { isLongType, modelConfigType, toBigInt, toLongBits } from './proto.ts';

/**
 * Between protobufjs messages and our plain configuration: the one place that knows how protobufjs holds presence,
 * 64-bit values, enums and maps.
 */

/** A message as plain data; see model-config.ts for what the values are. */
export type PlainMessage = Record<string, unknown>;

/** Enum type of a field, or undefined. */
export function enumOf(field: Field): Enum | undefined {
  const type = field.resolve().resolvedType;
  return type && 'valuesById' in type ? type : undefined;
}

/** Message type of a field, or undefined. */
export function messageOf(field: Field): Type | undefined {
  const type = field.resolve().resolvedType;
  return type && 'fieldsArray' in type ? type : undefined;
}

/** Key type of a map field, e.g. `string`. */
export function mapKeyType(field: Field): string {
  return 'keyType' in field && typeof field.keyType === 'string' ? field.keyType : 'string';
}

/** Value of a field that was not given, or undefined where absence is visible: messages and members of a oneof. */
function absentValue(field: Field): unknown {
  if (field.map) return new Map();
  if (field.repeated) return [];
  if (messageOf(field) || field.partOf) return undefined;
  const enumType = enumOf(field);
  if (enumType) return enumType.valuesById[0];
  if (field.type === 'string') return '';
  if (field.type === 'bool') return false;
  return isLongType(field.type) ? 0n : 0;
}

/** Fills what was not given, in the order of the declaration. */
export function withDefaults(type: Type, given: PlainMessage): PlainMessage {
  const plain: PlainMessage = {};
  for (const field of type.fieldsArray) {
    const value = Object.hasOwn(given, field.name) ? given[field.name] : absentValue(field);
    if (value !== undefined) plain[field.name] = value;
  }
  return plain;
}

/** A configuration of nothing but defaults. */
export function emptyModelConfig(): ModelConfig {
  return asModelConfig(withDefaults(modelConfigType(), {}));
}

/** The one cast from reflection to our type; the contract test compares both field by field. */
export function asModelConfig(plain: PlainMessage): ModelConfig {
  return plain as unknown as ModelConfig;
}

/** A value that protobufjs accepts and we do not: an enum number without a name, a string with a NUL. */
export class UnreadableValue extends Error {
  constructor(field: Field, value: string | number) {
    super(`field ${field.name} cannot hold ${value}`);
  }
}

function enumName(field: Field, type: Enum, value: number): string {
  const name = type.valuesById[value];
  if (name === undefined) throw new UnreadableValue(field, value);
  return name;
}

/**
 * A protobufjs message (or an object of its shape) as plain data.
 * @throws UnreadableValue
 */
export function toPlain(type: Type, message: object): PlainMessage {
  const source = message as PlainMessage;
  const given: PlainMessage = {};
  for (const field of type.fieldsArray) {
    if (!Object.hasOwn(source, field.name) || source[field.name] == null) continue;
    given[field.name] = fieldToPlain(field.resolve(), source[field.name]);
  }
  return withDefaults(type, given);
}

function fieldToPlain(field: Field, value: unknown): unknown {
  if (field.map) {
    const longKeys = isLongType(mapKeyType(field));
    return new Map(
      Object.entries(value as PlainMessage).map(([key, item]) => [
        longKeys ? BigInt(key) : withoutNul(field, key),
        valueToPlain(field, item),
      ]),
    );
  }
  if (field.repeated) return (value as unknown[]).map((item) => valueToPlain(field, item));
  return valueToPlain(field, value);
}

function valueToPlain(field: Field, value: unknown): unknown {
  const message = messageOf(field);
  if (message) return toPlain(message, value as object);
  const enumType = enumOf(field);
  if (enumType) return enumName(field, enumType, value as number);
  if (typeof value === 'string') return withoutNul(field, value);
  if (field.type === 'float' && typeof value === 'number') return Math.fround(value);
  return isLongType(field.type) ? toBigInt(value) : value;
}

function withoutNul(field: Field, text: string): string {
  if (text.includes('\0')) throw new UnreadableValue(field, 'NUL');
  return text;
}

/** Plain data as protobufjs's encoder takes it: proto3 defaults left out, as every other encoder does. */
export function fromPlain(type: Type, plain: PlainMessage): PlainMessage {
  const message: PlainMessage = {};
  for (const field of type.fieldsArray) {
    const value = plain[field.name];
    if (value === undefined) continue;
    field.resolve();
    if (field.map)
      message[field.name] = mapFromPlain(field, value as ReadonlyMap<unknown, unknown>);
    else if (field.repeated)
      message[field.name] = (value as unknown[]).map((item) => valueFromPlain(field, item));
    else if (field.partOf || messageOf(field) || value !== absentValue(field))
      message[field.name] = valueFromPlain(field, value);
  }
  return message;
}

function mapFromPlain(field: Field, map: ReadonlyMap<unknown, unknown>): PlainMessage {
  // Without a prototype a key such as `__proto__` is a key like any other.
  const entries: PlainMessage = Object.create(null) as PlainMessage;
  for (const [key, item] of map) entries[String(key)] = valueFromPlain(field, item);
  return entries;
}

function valueFromPlain(field: Field, value: unknown): unknown {
  const message = messageOf(field);
  if (message) return fromPlain(message, value as PlainMessage);
  const enumType = enumOf(field);
  if (enumType) return enumType.values[value as string];
  return isLongType(field.type)
    ? toLongBits(value as bigint, field.type === 'uint64' || field.type === 'fixed64')
    : value;
}
