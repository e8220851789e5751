// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Field, Type } from 'protobufjs';
import { fromPlain, messageOf, type PlainMessage } from './message.ts';
import type { ModelConfig } from './model-config.ts';
import { modelConfigType } from './proto.ts';

/**
 * A configuration as `GET /v2/models/{model}/config` prints it: snake_case, defaults printed, 64-bit integers as
 * exact numbers, enum values by name. A string, because a JavaScript number cannot hold every 64-bit value.
 */
export function modelConfigJson(config: ModelConfig): string {
  return messageJson(modelConfigType(), config as unknown as PlainMessage);
}

/** A configuration as bytes of `inference.ModelConfig`: the `config` of gRPC's ModelConfigResponse. */
export function encodeModelConfig(config: ModelConfig): Uint8Array {
  const type = modelConfigType();
  return type.encode(fromPlain(type, config as unknown as PlainMessage)).finish();
}

function messageJson(type: Type, message: PlainMessage): string {
  const members: string[] = [];
  const choices: string[] = [];
  for (const field of type.fieldsArray) {
    const value = message[field.name];
    if (value === undefined) continue;
    const text = `${JSON.stringify(field.name)}:${fieldJson(field.resolve(), value)}`;
    // Triton prints scalar members of a oneof after everything else.
    (field.partOf && !messageOf(field) ? choices : members).push(text);
  }
  return `{${[...members, ...choices].join(',')}}`;
}

function fieldJson(field: Field, value: unknown): string {
  if (field.map) {
    const entries = [...(value as ReadonlyMap<unknown, unknown>)];
    return `{${entries.map(([key, item]) => `${JSON.stringify(String(key))}:${valueJson(field, item)}`).join(',')}}`;
  }
  if (field.repeated)
    return `[${(value as unknown[]).map((item) => valueJson(field, item)).join(',')}]`;
  return valueJson(field, value);
}

function valueJson(field: Field, value: unknown): string {
  const message = messageOf(field);
  if (message) return messageJson(message, value as PlainMessage);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') return numberJson(field, value);
  return JSON.stringify(value);
}

function numberJson(field: Field, value: number): string {
  if (Number.isNaN(value)) return '"NaN"';
  if (!Number.isFinite(value)) return value > 0 ? '"Infinity"' : '"-Infinity"';
  if (Object.is(value, -0)) return '-0.0';
  return field.type === 'float' ? shortestFloat(value) : String(value);
}

/** The shortest decimal that reads back as the same float32. */
function shortestFloat(value: number): string {
  const float = Math.fround(value);
  for (let digits = 1; digits < 9; digits += 1) {
    const text = float.toPrecision(digits);
    if (Math.fround(Number(text)) === float) return String(Number(text));
  }
  return String(Number(float.toPrecision(9)));
}
