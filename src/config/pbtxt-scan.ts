// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { isUtf8 } from 'node:buffer';
import type { Field, Type } from 'protobufjs';
import { enumOf, mapKeyType, messageOf } from './message.ts';
import { integerRange } from './proto.ts';
import { didYouMean, didYouMeanEnum } from './suggest.ts';
import { quoted, stringBytes, type Token, Tokenizer } from './tokenizer.ts';

/** What a walk over a text-format file found. */
export interface PbtxtScan {
  /** offset of every field by its path, e.g. `input[0].dims[1]`, `parameters["KEY"].string_value` */
  readonly offsets: ReadonlyMap<string, number>;
  /** the first thing that does not belong there */
  readonly problem?: { readonly path: string; readonly offset: number; readonly text: string };
}

/**
 * Walks a text-format file with the message type in hand. The second pass after a failure only: protobufjs reads the
 * file, this finds line, column, field and remedy. It knows the same grammar; the words are those of protobuf's own
 * parser, which people look for.
 */
export function scanPbtxt(text: string, type: Type): PbtxtScan {
  const walk = new Walk(text);
  try {
    walk.message(type, '', undefined);
    return { offsets: walk.offsets };
  } catch (thrown) {
    if (!(thrown instanceof Stop)) throw thrown;
    return { offsets: walk.offsets, problem: thrown.problem };
  }
}

class Stop extends Error {
  readonly problem: { path: string; offset: number; text: string };

  constructor(path: string, offset: number, text: string) {
    super(text);
    this.problem = { path, offset, text };
  }
}

// The schema has no cycle, so the depth of the walk is bounded by the schema whatever the file says.
class Walk {
  readonly offsets = new Map<string, number>();
  readonly #tokens: Tokenizer;
  /** elements seen of each list, by its path */
  readonly #counts = new Map<string, number>();
  /** what the open map entry noted, to be renamed once its key is known */
  #noted: [string, number][] | undefined;

  constructor(text: string) {
    this.#tokens = new Tokenizer(text);
  }

  /** @param close the mark that ends the message; undefined at the top, where the end of the file does */
  message(type: Type, path: string, close: string | undefined): void {
    const seen = new Map<string, Field>();
    for (;;) {
      const token = this.#tokens.peek();
      if (token.kind === 'end') {
        if (close !== undefined)
          this.#stop(path, token, `Unexpected end of file, expected "${close}"`);
        return;
      }
      if (close !== undefined && this.#tokens.skip(close)) return;
      this.#field(type, path, seen);
      if (!this.#tokens.skip(',')) this.#tokens.skip(';');
    }
  }

  #field(type: Type, parent: string, seen: Map<string, Field>): void {
    const name = this.#tokens.take();
    if (name.kind !== 'word') this.#stop(parent, name, `Expected identifier, got: ${shown(name)}`);
    const field = Object.hasOwn(type.fields, name.text)
      ? type.fields[name.text]?.resolve()
      : undefined;
    const path = parent ? `${parent}.${name.text}` : name.text;
    if (!field) this.#stop(path, name, unknownField(type, name.text));
    if (!field.repeated && !field.map) this.#once(field, name, path, seen);
    const isMessage = field.map || messageOf(field);
    if (!this.#tokens.skip(':') && !isMessage)
      this.#stop(path, this.#tokens.peek(), `Expected ":", found ${shown(this.#tokens.peek())}`);
    this.#note(path, name.offset);
    if (this.#tokens.peek().text !== '[') this.#value(field, path, name.offset);
    else if (field.repeated || field.map) this.#list(field, path);
    else
      this.#stop(
        path,
        this.#tokens.peek(),
        `${field.name} takes one value, not a list; leave out the brackets`,
      );
  }

  #once(field: Field, name: Token, path: string, seen: Map<string, Field>): void {
    const other = seen.get(field.partOf?.name ?? field.name) ?? seen.get(field.name);
    if (other === field)
      this.#stop(
        path,
        name,
        `Non-repeated field "${field.name}" is specified multiple times; keep one`,
      );
    if (other && field.partOf)
      this.#stop(
        path,
        name,
        `Field "${field.name}" is specified along with field "${other.name}", another member of oneof ` +
          `"${field.partOf.name}"; keep one`,
      );
    seen.set(field.partOf?.name ?? field.name, field);
  }

  #list(field: Field, path: string): void {
    this.#tokens.take();
    if (this.#tokens.skip(']')) return;
    do {
      const next = this.#tokens.peek();
      if (next.text === ']')
        this.#stop(path, next, 'Expected a value after ",", got: "]"; drop the last comma');
      this.#value(field, path, next.offset);
    } while (this.#tokens.skip(','));
    const token = this.#tokens.take();
    if (token.text !== ']') this.#stop(path, token, `Expected "]", found ${shown(token)}`);
  }

  #value(field: Field, path: string, offset: number): void {
    if (field.map) {
      this.#mapEntry(field, path, offset);
      return;
    }
    const at = field.repeated ? this.#element(path) : path;
    this.#note(at, offset);
    const message = messageOf(field);
    if (message) this.message(message, at, this.#open(at));
    else this.#scalar(field, at);
  }

  #element(path: string): string {
    const count = this.#counts.get(path) ?? 0;
    this.#counts.set(path, count + 1);
    return `${path}[${count}]`;
  }

  #open(path: string): string {
    if (this.#tokens.skip('{')) return '}';
    if (this.#tokens.skip('<')) return '>';
    const token = this.#tokens.peek();
    return this.#stop(path, token, `Expected "{", found ${shown(token)}`);
  }

  #mapEntry(field: Field, path: string, offset: number): void {
    const entry = this.#element(path);
    const close = this.#open(entry);
    const noted: [string, number][] = [];
    const outer = this.#noted;
    this.#noted = noted;
    let key = '';
    while (!this.#tokens.skip(close)) {
      const name = this.#tokens.take();
      if (name.kind === 'end')
        this.#stop(entry, name, `Unexpected end of file, expected "${close}"`);
      if (name.text !== 'key' && name.text !== 'value')
        this.#stop(
          entry,
          name,
          `Expected "key" or "value" in an entry of ${field.name}, got: ${shown(name)}`,
        );
      const isMessage = name.text === 'value' && messageOf(field);
      if (!this.#tokens.skip(':') && !isMessage)
        this.#stop(entry, this.#tokens.peek(), `Expected ":", found ${shown(this.#tokens.peek())}`);
      if (name.text === 'key') key = this.#key(field, entry);
      else if (isMessage) this.message(isMessage, entry, this.#open(entry));
      else this.#scalar(field, entry);
      if (!this.#tokens.skip(',')) this.#tokens.skip(';');
    }
    this.#noted = outer;
    const named = `${path}[${JSON.stringify(key)}]`;
    this.#note(named, offset);
    for (const [at, where] of noted) this.#note(named + at.slice(entry.length), where);
  }

  #key(field: Field, path: string): string {
    const type = mapKeyType(field);
    return type === 'string' ? this.#string(path) : this.#integer(type, path).toString();
  }

  #scalar(field: Field, path: string): void {
    const enumType = enumOf(field);
    if (enumType) this.#enum(field, Object.keys(enumType.values), enumType.valuesById, path);
    else if (field.type === 'string') this.#string(path);
    else if (field.type === 'bool') this.#bool(field, path);
    else if (integerRange(field.type)) this.#integer(field.type, path);
    else this.#float(path);
  }

  #string(path: string): string {
    const first = this.#tokens.peek();
    if (first.kind !== 'string')
      this.#stop(
        path,
        first,
        `Expected string, got: ${shown(first)}${first.kind === 'word' ? '; put it in double quotes' : ''}`,
      );
    const pieces: Buffer[] = [];
    while (this.#tokens.peek().kind === 'string') pieces.push(stringBytes(this.#tokens.take()));
    const bytes = Buffer.concat(pieces);
    if (!isUtf8(bytes)) this.#stop(path, first, 'invalid UTF-8 string; escapes must spell UTF-8');
    const value = bytes.toString();
    if (value.includes('\0'))
      this.#stop(path, first, 'The string holds a NUL; names and values are text');
    return value;
  }

  #bool(field: Field, path: string): void {
    const token = this.#tokens.take();
    if (!/^(true|True|t|1|false|False|f|0|0x[01])$/.test(token.text))
      this.#stop(
        path,
        token,
        `Invalid value for boolean field "${field.name}". Value: ${shown(token)}; expected true or false`,
      );
  }

  #integer(type: string, path: string): bigint {
    const minus = this.#tokens.peek();
    const negative = this.#tokens.skip('-');
    const token = this.#tokens.take();
    const range = integerRange(type);
    if (!isInteger(token))
      this.#stop(
        path,
        token,
        `Expected integer, got: ${shown(token)}${token.kind === 'string' ? '; leave out the quotes' : ''}`,
      );
    const value = BigInt(decimal(token.text)) * (negative ? -1n : 1n);
    if (range && (value < range.min || value > range.max))
      this.#stop(
        path,
        negative ? minus : token,
        `Integer out of range (${negative ? '-' : ''}${token.text.slice(0, 40)}), expected ${range.min} to ${range.max}`,
      );
    return value;
  }

  #float(path: string): void {
    this.#tokens.skip('-');
    const token = this.#tokens.take();
    const isNumber = token.kind === 'number';
    const isDecimal = isNumber && !/^0[xX0-9]/.test(token.text);
    if (isDecimal || /^(inf|infinity|nan)$/i.test(token.text)) return;
    if (isNumber) this.#stop(path, token, `Expect a decimal number, got: ${token.text}`);
    this.#stop(path, token, `Expected double, got: ${shown(token)}`);
  }

  #enum(field: Field, names: string[], byId: Readonly<Record<number, string>>, path: string): void {
    const minus = this.#tokens.skip('-');
    const token = this.#tokens.take();
    const known =
      token.kind === 'word'
        ? !minus && names.includes(token.text)
        : isInteger(token) && byId[Number(decimal(token.text)) * (minus ? -1 : 1)] !== undefined;
    if (known) return;
    if (token.kind !== 'word' && !isInteger(token))
      this.#stop(path, token, `Expected integer or identifier, got: ${shown(token)}`);
    const meant = token.kind === 'word' ? didYouMeanEnum(token.text, names) : undefined;
    this.#stop(
      path,
      token,
      `Unknown enumeration value of ${shown(token)} for field "${field.name}"; ` +
        (meant ? `did you mean ${meant}?` : `expected one of ${names.join(', ')}`),
    );
  }

  #note(path: string, offset: number): void {
    if (!this.offsets.has(path)) this.offsets.set(path, offset);
    this.#noted?.push([path, offset]);
  }

  #stop(path: string, token: Token, text: string): never {
    throw new Stop(path, token.offset, token.kind === 'broken' ? (token.problem ?? text) : text);
  }
}

function unknownField(type: Type, name: string): string {
  const meant = didYouMean(name, Object.keys(type.fields));
  const said = `Message type "${type.fullName.slice(1)}" has no field named ${quoted(name)}`;
  return meant ? `${said}; did you mean "${meant}"?` : said;
}

function shown(token: Token): string {
  if (token.kind === 'end') return 'end of file';
  return token.kind === 'string' ? quoted(token.text.slice(1, -1)) : quoted(token.text);
}

/** Whether a token is an integer of the text format: hexadecimal, octal behind a 0, or decimal. */
function isInteger({ kind, text }: Token): boolean {
  return kind === 'number' && /^(0[xX][0-9A-Fa-f]+|0[0-7]*|[1-9][0-9]*)$/.test(text);
}

/** An integer token as BigInt reads it; a leading 0 means octal in the text format. */
function decimal(text: string): string {
  return /^0[0-7]+$/.test(text) ? `0o${text.slice(1)}` : text.replace(/^0X/, '0x');
}
