// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Field, Type } from 'protobufjs';
import { enumOf, mapKeyType, messageOf } from './message.ts';
import { documentedModelConfigType, integerRange } from './proto.ts';

/** A JSON schema, draft 7: what editors know best. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * The JSON form of a configuration, made from the declarations the reader uses. What it takes, the reader takes; the
 * reader also takes a single value for a list, `null` for a field that is not given, and enum values by number.
 */
export function configSchema(): JsonSchema {
  const definitions = new Map<string, JsonSchema>();
  const root = reference(documentedModelConfigType(), definitions);
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Model configuration',
    ...root,
    definitions: Object.fromEntries([...definitions].sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

function reference(type: Type, definitions: Map<string, JsonSchema>): JsonSchema {
  const name = type.fullName.replace(/^\.\w+\./, '');
  if (!definitions.has(name)) {
    // Taken before its fields are looked at.
    definitions.set(name, {});
    definitions.set(name, message(type, definitions));
  }
  return { $ref: `#/definitions/${name}` };
}

function message(type: Type, definitions: Map<string, JsonSchema>): JsonSchema {
  const properties: Record<string, JsonSchema> = {};
  const otherSpelling: Record<string, JsonSchema> = {};
  const spellings: [string, string][] = [];
  for (const field of type.fieldsArray) {
    const schema = fieldSchema(field.resolve(), definitions);
    properties[field.name] = described(field.comment, schema);
    const camel = field.name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    if (camel === field.name) continue;
    // Taken but not offered: an editor completes `properties` alone.
    otherSpelling[`^${camel}$`] = schema;
    spellings.push([field.name, camel]);
  }
  const forbidden = [
    ...spellings.map(([snake, camel]) => ({ required: [snake, camel] })),
    ...type.oneofsArray.flatMap((choice) => pairs(choice.fieldsArray.map(({ name }) => name))),
  ];
  return {
    type: 'object',
    ...described(type.comment, {}),
    properties,
    ...(spellings.length > 0 ? { patternProperties: otherSpelling } : {}),
    additionalProperties: false,
    ...(forbidden.length > 0 ? { not: { anyOf: forbidden } } : {}),
  };
}

function pairs(names: readonly string[]): JsonSchema[] {
  return names.flatMap((name, i) =>
    names.slice(i + 1).map((other) => ({ required: [name, other] })),
  );
}

function fieldSchema(field: Field, definitions: Map<string, JsonSchema>): JsonSchema {
  const value = valueSchema(field, definitions);
  if (field.map) {
    const isNumber = integerRange(mapKeyType(field)) !== undefined;
    return {
      type: 'object',
      additionalProperties: value,
      ...(isNumber ? { propertyNames: { pattern: '^-?[0-9]+$' } } : {}),
    };
  }
  return field.repeated ? { type: 'array', items: value } : value;
}

function valueSchema(field: Field, definitions: Map<string, JsonSchema>): JsonSchema {
  const type = messageOf(field);
  if (type) return reference(type, definitions);
  const enumType = enumOf(field);
  if (enumType) return { enum: Object.keys(enumType.values) };
  if (field.type === 'string') return { type: 'string' };
  if (field.type === 'bool') return { enum: [true, false, 'true', 'false'] };
  const range = integerRange(field.type);
  if (range === undefined)
    return { anyOf: [{ type: 'number' }, { enum: ['NaN', 'Infinity', '-Infinity'] }] };
  const text = { type: 'string', pattern: range.min < 0n ? '^-?[0-9]+$' : '^[0-9]+$' };
  // Bounds of 64-bit integers are no numbers of JSON everywhere.
  const bounds = range.max < 2n ** 53n ? { maximum: Number(range.max) } : {};
  const low = range.min === 0n || range.max < 2n ** 53n ? { minimum: Number(range.min) } : {};
  return { anyOf: [{ type: 'integer', ...low, ...bounds }, text] };
}

function described(comment: string | null, schema: JsonSchema): JsonSchema {
  const text = comment?.replace(/\s*\n\s*/g, ' ').trim() ?? '';
  if (text === '') return schema;
  // Draft 7 passes over what stands beside a $ref.
  return '$ref' in schema
    ? { description: text, allOf: [schema] }
    : { description: text, ...schema };
}
