// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Enum, Field, Type } from 'protobufjs';
import { ConfigError, type Position, positionAt } from './config-error.ts';
import { type JsonMember, type JsonNode, JsonProblem, readJson } from './json-text.ts';
import {
  asModelConfig,
  enumOf,
  mapKeyType,
  messageOf,
  type PlainMessage,
  withDefaults,
} from './message.ts';
import type { ModelConfig } from './model-config.ts';
import { checkSize, nearest } from './pbtxt.ts';
import { integerRange, isLongType, modelConfigType } from './proto.ts';
import { didYouMean, didYouMeanEnum } from './suggest.ts';

/** How Triton begins every complaint about the `config` parameter of a load. */
const PREFIX = 'Invalid config override: ';

/** A value that does not fit its field. */
class Misfit extends Error {
  readonly path: string;
  readonly offset: number;

  constructor(path: string, offset: number, text: string) {
    super(text);
    this.path = path;
    this.offset = offset;
  }
}

/**
 * Reads protobuf JSON.
 * @throws ConfigError
 */
export function parseConfigJson(text: string, file: string): ModelConfig {
  checkSize(text, file);
  try {
    return asModelConfig(decode(text).plain);
  } catch (thrown) {
    if (!(thrown instanceof Misfit) && !(thrown instanceof JsonProblem)) throw thrown;
    const path = thrown instanceof Misfit ? thrown.path : '';
    const position = positionAt(text, thrown.offset);
    throw new ConfigError({ path, text: thrown.message, phase: 'read' }, file, position, PREFIX);
  }
}

/** Line and column of a field, or of the nearest field around it that is written. */
export function locateInJson(text: string, path: string): Position | undefined {
  const offset = nearest(decode(text).offsets, path);
  return offset === undefined ? undefined : positionAt(text, offset);
}

/** Something wrong with one value of a configuration in JSON. */
export interface JsonConfigProblem {
  /** empty where the text is no JSON, or no object */
  readonly path: string;
  readonly offset: number;
  readonly text: string;
}

/** What can be read of a configuration in JSON: values that are wrong are left out. */
export interface JsonConfigScan {
  /** undefined when not even the rest can be read */
  readonly config: ModelConfig | undefined;
  /** offset of every field by its path */
  readonly offsets: ReadonlyMap<string, number>;
  /** in the order of the text */
  readonly problems: readonly JsonConfigProblem[];
}

/** As {@link parseConfigJson}, but goes on after a problem: for `nereid check`. */
export function scanConfigJson(text: string): JsonConfigScan {
  const problems: JsonConfigProblem[] = [];
  const decoder = new Decoder(({ path, offset, message }) => {
    problems.push({ path, offset, text: message });
  });
  try {
    checkSize(text, '');
    const plain = decoder.message(modelConfigType(), readJson(text), '');
    return { config: asModelConfig(plain), offsets: decoder.offsets, problems };
  } catch (thrown) {
    const told = problemOf(thrown);
    return { config: undefined, offsets: new Map(), problems: [told] };
  }
}

function problemOf(thrown: unknown): JsonConfigProblem {
  if (thrown instanceof ConfigError) return { path: '', offset: 0, text: thrown.text };
  if (thrown instanceof Misfit || thrown instanceof JsonProblem)
    return { path: '', offset: thrown.offset, text: thrown.message };
  throw thrown;
}

function decode(text: string): { plain: PlainMessage; offsets: ReadonlyMap<string, number> } {
  const root = readJson(text);
  const decoder = new Decoder();
  return { plain: decoder.message(modelConfigType(), root, ''), offsets: decoder.offsets };
}

class Decoder {
  readonly offsets = new Map<string, number>();
  readonly #tell: ((problem: Misfit) => void) | undefined;

  /** @param tell takes what is wrong with a value, which is left out then; absent = it is thrown */
  constructor(tell?: (problem: Misfit) => void) {
    this.#tell = tell;
  }

  /** @returns undefined for what is left out */
  #orTold<T>(read: () => T): T | undefined {
    if (this.#tell === undefined) return read();
    try {
      return read();
    } catch (thrown) {
      if (!(thrown instanceof Misfit)) throw thrown;
      this.#tell(thrown);
      return undefined;
    }
  }

  message(type: Type, node: JsonNode, path: string): PlainMessage {
    if (node.kind !== 'object')
      throw new Misfit(
        path,
        node.offset,
        path ? `expected an object, got ${shown(node)}` : 'Root element must be a message',
      );
    const given: PlainMessage = {};
    const chosen = new Map<string, string>();
    for (const member of node.members) {
      if (member.value.kind !== 'null')
        this.#orTold(() => this.#member(type, member, path, given, chosen));
    }
    return withDefaults(type, given);
  }

  #member(
    type: Type,
    member: JsonMember,
    path: string,
    given: PlainMessage,
    chosen: Map<string, string>,
  ): void {
    const field = fieldByName(type, member.name);
    const at = join(path, field?.name ?? member.name);
    if (!field) throw new Misfit(at, member.offset, unknownField(type, member.name));
    if (Object.hasOwn(given, field.name))
      throw new Misfit(at, member.offset, `field ${field.name} is given twice; keep one`);
    this.#choose(field, member, at, chosen);
    this.offsets.set(at, member.offset);
    given[field.name] = this.#field(field, member.value, at);
  }

  #choose(field: Field, member: JsonMember, path: string, chosen: Map<string, string>): void {
    if (!field.partOf) return;
    const other = chosen.get(field.partOf.name);
    if (other)
      throw new Misfit(
        path,
        member.offset,
        `oneof field '${field.partOf.name}' is already set. Cannot set '${field.name}' beside '${other}'; keep one`,
      );
    chosen.set(field.partOf.name, field.name);
  }

  #field(field: Field, node: JsonNode, path: string): unknown {
    if (field.map) return this.#map(field, node, path);
    if (!field.repeated) return this.#value(field, node, path);
    // A single value where a list belongs: protobuf's own reader takes it for a list of one.
    const items = node.kind === 'array' ? node.items : [node];
    const values: unknown[] = [];
    for (const item of items) {
      const at = `${path}[${values.length}]`;
      this.offsets.set(at, item.offset);
      const value = this.#orTold(() => this.#value(field, item, at));
      if (value !== undefined) values.push(value);
    }
    return values;
  }

  #map(field: Field, node: JsonNode, path: string): ReadonlyMap<unknown, unknown> {
    if (node.kind !== 'object')
      throw new Misfit(path, node.offset, `expected an object, got ${shown(node)}`);
    const map = new Map<unknown, unknown>();
    for (const member of node.members) this.#orTold(() => this.#entry(field, member, path, map));
    return map;
  }

  #entry(field: Field, member: JsonMember, path: string, map: Map<unknown, unknown>): void {
    const at = `${path}[${JSON.stringify(member.name)}]`;
    this.offsets.set(at, member.offset);
    const key = isLongType(mapKeyType(field))
      ? integer(
          { kind: 'string', offset: member.offset, value: member.name },
          mapKeyType(field),
          at,
        )
      : text(member.name, member.offset, at);
    if (map.has(key)) throw new Misfit(at, member.offset, 'this key is given twice; keep one');
    map.set(key, this.#value(field, member.value, at));
  }

  #value(field: Field, node: JsonNode, path: string): unknown {
    const message = messageOf(field);
    if (message) return this.message(message, node, path);
    const enumType = enumOf(field);
    if (enumType) return enumName(enumType, node, path);
    if (field.type === 'bool') return boolean(node, path);
    if (field.type === 'string') {
      if (node.kind !== 'string')
        throw misfit(node, path, 'TYPE_STRING', 'expected text in double quotes');
      return text(node.value, node.offset, path);
    }
    if (!integerRange(field.type)) return float(node, path, field.type);
    const value = integer(node, field.type, path);
    return isLongType(field.type) ? value : Number(value);
  }
}

/** Both spellings of protobuf JSON: `max_batch_size` and `maxBatchSize`. */
function fieldByName(type: Type, name: string): Field | undefined {
  const snake = Object.hasOwn(type.fields, name)
    ? name
    : /[A-Z]/.test(name) && !name.includes('_')
      ? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
      : name;
  return Object.hasOwn(type.fields, snake) ? type.fields[snake]?.resolve() : undefined;
}

function unknownField(type: Type, name: string): string {
  const meant = didYouMean(name, Object.keys(type.fields));
  return `Cannot find field${meant ? `; did you mean "${meant}"?` : ` in ${type.name}`}`;
}

function enumName(type: Enum, node: JsonNode, path: string): string {
  const names = Object.keys(type.values);
  if (node.kind === 'string' && names.includes(node.value)) return node.value;
  if (node.kind === 'number') {
    const name = /^\d{1,9}$/.test(node.text) ? type.valuesById[Number(node.text)] : undefined;
    if (name !== undefined) return name;
  }
  const meant = node.kind === 'string' ? didYouMeanEnum(node.value, names) : undefined;
  throw misfit(
    node,
    path,
    `type.googleapis.com/${type.fullName.slice(1)}`,
    meant ? `did you mean "${meant}"?` : `expected one of ${names.join(', ')}`,
  );
}

function boolean(node: JsonNode, path: string): boolean {
  if (node.kind === 'boolean') return node.value;
  if (node.kind === 'string' && /^(true|false)$/.test(node.value)) return node.value === 'true';
  throw misfit(node, path, 'TYPE_BOOL', 'expected true or false');
}

function float(node: JsonNode, path: string, type: string): number {
  const value = double(node, path, type);
  return type === 'float' ? Math.fround(value) : value;
}

function double(node: JsonNode, path: string, type: string): number {
  if (node.kind === 'number') return Number(node.text);
  if (node.kind === 'string' && /^(-?Infinity|NaN|-?\d+(\.\d+)?([eE][+-]?\d+)?)$/.test(node.value))
    return Number(node.value);
  throw misfit(node, path, `TYPE_${type.toUpperCase()}`, 'expected a number');
}

/** An integer as a number or in a string; `4.0` and `1e1` are integers, as protobuf's own reader has it. */
function integer(node: JsonNode, type: string, path: string): bigint {
  const range = integerRange(type) ?? { min: 0n, max: 0n };
  const digits = node.kind === 'number' ? node.text : node.kind === 'string' ? node.value : '';
  const value = exactInteger(digits);
  if (value === undefined || value < range.min || value > range.max)
    throw misfit(
      node,
      path,
      `TYPE_${type.toUpperCase()}`,
      `expected an integer from ${range.min} to ${range.max}`,
    );
  return value;
}

function exactInteger(digits: string): bigint | undefined {
  if (/^-?\d{1,40}$/.test(digits)) return BigInt(digits);
  if (digits.length > 40 || !/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(digits)) return undefined;
  const value = Number(digits);
  return Number.isSafeInteger(value) ? BigInt(value) : undefined;
}

function text(value: string, offset: number, path: string): string {
  if (value.includes('\0'))
    throw new Misfit(path, offset, 'The string holds a NUL; names and values are text');
  return value;
}

function misfit(node: JsonNode, path: string, type: string, remedy: string): Misfit {
  return new Misfit(path, node.offset, `invalid value ${shown(node)} for type ${type}; ${remedy}`);
}

function shown(node: JsonNode): string {
  switch (node.kind) {
    case 'object':
      return 'an object';
    case 'array':
      return 'a list';
    case 'string':
      return JSON.stringify(node.value.length > 40 ? `${node.value.slice(0, 40)}…` : node.value);
    case 'number':
      return node.text.slice(0, 40);
    case 'boolean':
      return String(node.value);
    case 'null':
      return 'null';
  }
}

function join(path: string, name: string): string {
  return path ? `${path}.${name}` : name;
}
