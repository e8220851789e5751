// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Field, Type } from 'protobufjs';
import { messageOf } from './message.ts';
import {
  Enough,
  type PbtxtProblem,
  PbtxtProblems,
  type Span,
  Stop,
  shown,
} from './pbtxt-problems.ts';
import { insertAt, replace } from './pbtxt-remedy.ts';
import { Scalars } from './pbtxt-scalars.ts';
import { didYouMean } from './suggest.ts';
import { quoted, type Token, Tokenizer } from './tokenizer.ts';

/** What a walk over a text-format file found. Paths are like `input[0].dims[1]`, `parameters["KEY"].string_value`. */
export interface PbtxtScan {
  /** offset of every field by its path */
  readonly offsets: ReadonlyMap<string, number>;
  /** every field with its value, without the separator behind it */
  readonly fields: ReadonlyMap<string, Span>;
  /** every value: scalars, and lists in brackets; undefined for a list that is written in pieces */
  readonly values: ReadonlyMap<string, Span | undefined>;
  /** what stands between the braces of every message */
  readonly bodies: ReadonlyMap<string, Span>;
  /** the first of `problems` */
  readonly problem?: PbtxtProblem;
  /** in the order of the text, at most {@link MAX_PROBLEMS} */
  readonly problems: readonly PbtxtProblem[];
}

/**
 * Walks a text-format file with the message type in hand. The second pass after a failure only: protobufjs reads the
 * file, this finds line, column, field and remedy. It knows the same grammar; the words are those of protobuf's own
 * parser, which people look for. After a problem it goes on: behind the value where its end is plain, else at the next
 * field of the outermost message that begins a line.
 */
export function scanPbtxt(text: string, type: Type): PbtxtScan {
  const walk = new Walk(text);
  try {
    walk.message(type, '', undefined);
  } catch (thrown) {
    if (!(thrown instanceof Enough)) throw thrown;
  }
  const { offsets, fields, values, bodies } = walk;
  const problems = walk.problems.all;
  const [problem] = problems;
  return {
    offsets,
    fields,
    values,
    bodies,
    problems,
    ...(problem === undefined ? {} : { problem }),
  };
}

// The schema has no cycle, so the depth of the walk is bounded by the schema whatever the file says.
class Walk {
  readonly offsets = new Map<string, number>();
  readonly fields = new Map<string, Span>();
  readonly values = new Map<string, Span | undefined>();
  readonly bodies = new Map<string, Span>();
  readonly #text: string;
  readonly #tokens: Tokenizer;
  readonly problems = new PbtxtProblems();
  readonly #scalars: Scalars;
  /** marks that close what is open, outermost first */
  readonly #open: string[] = [];
  /** elements seen of each list, by its path */
  readonly #counts = new Map<string, number>();
  /** what the open map entry noted, to be renamed once its key is known */
  #noted: [string, number][] | undefined;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = new Tokenizer(text);
    this.#scalars = new Scalars(this.#tokens, this.problems);
  }

  /** @param close the mark that ends the message; undefined at the top, where the end of the file does */
  message(type: Type, path: string, close: string | undefined): void {
    const seen = new Map<string, Field>();
    const start = this.#tokens.end;
    for (;;) {
      const token = this.#tokens.peek();
      if (this.#ends(token, path, close)) {
        this.bodies.set(path, { start, end: token.offset });
        return;
      }
      const known = this.problems.count;
      try {
        this.#field(type, path, seen);
        if (!this.#tokens.skip(',')) this.#tokens.skip(';');
      } catch (thrown) {
        if (!(thrown instanceof Stop) || close !== undefined) throw thrown;
        this.problems.add(thrown.problem);
        this.#resume(type, token.offset);
      }
      this.problems.blame(known, { start: token.offset, end: this.#tokens.end });
    }
  }

  /** Whether a message ends at this token; takes the mark that closes it. */
  #ends(token: Token, path: string, close: string | undefined): boolean {
    if (close === undefined) return token.kind === 'end';
    if (this.#tokens.skip(close)) {
      this.#open.pop();
      return true;
    }
    if (token.kind === 'end') {
      this.#endOfFile(path, token, `Unexpected end of file, expected "${close}"`);
      return true;
    }
    // The mark belongs to something further out: this message was not closed.
    if (token.kind !== 'mark' || !this.#open.includes(token.text)) return false;
    this.problems.report(path, token, `Expected identifier, got: ${shown(token)}`, [
      insertAt(token.offset, `${close} `),
    ]);
    this.#open.pop();
    return true;
  }

  /** The file ends within something: told once, whatever is open. */
  #endOfFile(path: string, token: Token, text: string): void {
    const closes = this.#open.splice(0).reverse().join(' ');
    if (closes !== '')
      this.problems.report(path, token, text, [
        insertAt(this.#text.trimEnd().length, `\n${closes}`),
      ]);
  }

  /** Goes on at the next field of the outermost message that begins a line. */
  #resume(type: Type, from: number): void {
    this.#open.length = 0;
    this.#noted = undefined;
    const before = this.#text.slice(this.#text.lastIndexOf('\n', from - 1) + 1, from);
    const indent = /^[ \t]*$/.test(before) ? before.length : 0;
    const names = type.fieldsArray.map(({ name }) => name).join('|');
    const next = new RegExp(`^[ \\t]{0,${indent}}(?=(?:${names})[ \\t]*[:{[<])`, 'gm');
    // A line counts from its start, but never the one the failed field is on.
    const line = this.#text.lastIndexOf('\n', this.#tokens.peek().offset - 1) + 1;
    next.lastIndex = Math.max(line, from + 1);
    const found = next.exec(this.#text);
    this.#tokens.seek(found === null ? this.#text.length : found.index + found[0].length);
  }

  #field(type: Type, parent: string, seen: Map<string, Field>): void {
    const name = this.#tokens.take();
    if (name.kind !== 'word')
      this.problems.stop(parent, name, `Expected identifier, got: ${shown(name)}`);
    const path = parent ? `${parent}.${name.text}` : name.text;
    const field = fieldOf(type, name.text) ?? this.#misspelt(type, name, path, seen);
    if (field === undefined) return;
    if (!field.repeated && !field.map) this.#once(field, name, path, seen);
    const isMessage = field.map || messageOf(field);
    if (!this.#tokens.skip(':') && !isMessage) this.#colon(path, name);
    this.#note(path, name.offset);
    const value = this.#tokens.peek();
    if (value.text !== '[') this.#value(field, path, name.offset);
    else if (field.repeated || field.map) this.#list(field, path);
    else this.#bracketed(field, path, name.offset);
    const end = this.#tokens.end;
    this.values.set(path, this.values.has(path) ? undefined : { start: value.offset, end });
    this.fields.set(path, { start: name.offset, end });
  }

  /** @returns the field that was meant; undefined when there is none, and then its value was passed over */
  #misspelt(type: Type, name: Token, path: string, seen: Map<string, Field>): Field | undefined {
    const meant = didYouMean(name.text, Object.keys(type.fields));
    const field = meant === undefined ? undefined : fieldOf(type, meant);
    const isFree = field && (field.repeated || field.map || !seen.has(nameOnce(field)));
    const text = unknownField(type, name.text, meant);
    this.problems.report(
      path,
      name,
      text,
      isFree ? [replace(name, field.name)] : undefined,
      'unknown-field',
    );
    if (isFree) return field;
    this.#passOver();
    return undefined;
  }

  #colon(path: string, name: Token): void {
    const token = this.#tokens.peek();
    const text = `Expected ":", found ${shown(token)}`;
    if (!/^(word|number|string)$/.test(token.kind) && token.text !== '[' && token.text !== '-')
      this.problems.stop(path, token, text);
    this.problems.report(path, token, text, [insertAt(name.end, ':')]);
  }

  /** A value of any kind. */
  #passOver(): void {
    if (!this.#tokens.skip(':') && !/^[{[<]$/.test(this.#tokens.peek().text)) return;
    this.#tokens.skip('-');
    const closes: string[] = [];
    do {
      const token = this.#tokens.peek();
      const close = { '{': '}', '[': ']', '<': '>' }[token.text];
      if (token.kind === 'end' || token.kind === 'broken') return;
      if (token.kind === 'mark' && close !== undefined) closes.push(close);
      else if (token.kind === 'mark' && token.text === closes.at(-1)) closes.pop();
      else if (token.kind === 'mark' && closes.length === 0) return;
      this.#tokens.take();
    } while (closes.length > 0);
    while (this.#tokens.peek().kind === 'string') this.#tokens.take();
  }

  #bracketed(field: Field, path: string, offset: number): void {
    const open = this.#tokens.peek();
    const known = this.problems.count;
    this.problems.report(
      path,
      open,
      `${field.name} takes one value, not a list; leave out the brackets`,
      undefined,
      'invalid-value',
    );
    this.#tokens.take();
    if (this.#tokens.peek().text !== ']') {
      this.#value(field, path, offset);
      const close = this.#tokens.peek();
      if (close.text === ']') this.problems.mend(known, [replace(open, ''), replace(close, '')]);
    }
    this.#tokens.seek(open.offset);
    this.#passOver();
  }

  #once(field: Field, name: Token, path: string, seen: Map<string, Field>): void {
    const other = seen.get(nameOnce(field)) ?? seen.get(field.name);
    if (other === field)
      this.problems.report(
        path,
        name,
        `Non-repeated field "${field.name}" is specified multiple times; keep one`,
        [],
      );
    if (other && other !== field && field.partOf)
      this.problems.report(
        path,
        name,
        `Field "${field.name}" is specified along with field "${other.name}", another member of oneof ` +
          `"${field.partOf.name}"; keep one`,
        [],
      );
    seen.set(nameOnce(field), field);
  }

  #list(field: Field, path: string): void {
    const open = this.#tokens.take();
    if (this.#tokens.skip(']')) return;
    this.#open.push(']');
    for (;;) {
      const next = this.#tokens.peek();
      this.#value(field, path, next.offset);
      const token = this.#tokens.peek();
      if (this.#tokens.skip(',')) {
        const after = this.#tokens.peek();
        if (after.text !== ']') continue;
        this.problems.report(
          path,
          after,
          'Expected a value after ",", got: "]"; drop the last comma',
          [replace(token, '')],
        );
      }
      if (this.#tokens.skip(']')) break;
      if (!this.#listGoesOn(field, path, token, open)) break;
    }
    this.#open.pop();
  }

  /** Behind an element without a comma: whether another one follows. */
  #listGoesOn(field: Field, path: string, token: Token, open: Token): boolean {
    const text = `Expected "]", found ${shown(token)}`;
    if (token.kind === 'end') {
      this.#endOfFile(path, token, text);
      return false;
    }
    const starts = messageOf(field) || field.map ? /^[{<]$/ : /^-$/;
    const isField = token.kind === 'word' && /^\s*[:{[<]/.test(this.#text.slice(token.end));
    const isElement =
      starts.test(token.text) || (/^(word|number|string)$/.test(token.kind) && !isField);
    if (isElement) {
      this.problems.report(path, token, text, [insertAt(this.#tokens.end, ',')]);
      return true;
    }
    const isClosed = isField || this.#open.slice(0, -1).includes(token.text);
    if (!isClosed || token.offset <= open.offset) this.problems.stop(path, token, text);
    this.problems.report(path, token, text, [insertAt(this.#tokens.end, ' ]')]);
    return false;
  }

  #value(field: Field, path: string, offset: number): void {
    if (field.map) {
      this.#mapEntry(field, path, offset);
      return;
    }
    const at = field.repeated ? this.#element(path) : path;
    this.#note(at, offset);
    const message = messageOf(field);
    const start = this.#tokens.peek().offset;
    if (message) this.message(message, at, this.#enter(at));
    else this.#scalars.scalar(field, at);
    if (at !== path) {
      this.values.set(at, { start, end: this.#tokens.end });
      this.fields.set(at, { start: offset, end: this.#tokens.end });
    }
  }

  #element(path: string): string {
    const count = this.#counts.get(path) ?? 0;
    this.#counts.set(path, count + 1);
    return `${path}[${count}]`;
  }

  #enter(path: string): string {
    const token = this.#tokens.peek();
    if (!this.#tokens.skip('{') && !this.#tokens.skip('<'))
      this.problems.stop(path, token, `Expected "{", found ${shown(token)}`);
    const close = token.text === '{' ? '}' : '>';
    this.#open.push(close);
    return close;
  }

  #mapEntry(field: Field, path: string, offset: number): void {
    const entry = this.#element(path);
    const close = this.#enter(entry);
    const noted: [string, number][] = [];
    const outer = this.#noted;
    this.#noted = noted;
    let key = '';
    while (!this.#tokens.skip(close)) {
      const name = this.#tokens.take();
      if (name.kind === 'end') {
        this.#endOfFile(entry, name, `Unexpected end of file, expected "${close}"`);
        break;
      }
      if (name.text !== 'key' && name.text !== 'value')
        this.problems.stop(
          entry,
          name,
          `Expected "key" or "value" in an entry of ${field.name}, got: ${shown(name)}`,
        );
      const isMessage = name.text === 'value' && messageOf(field);
      if (!this.#tokens.skip(':') && !isMessage)
        this.problems.stop(
          entry,
          this.#tokens.peek(),
          `Expected ":", found ${shown(this.#tokens.peek())}`,
        );
      if (name.text === 'key') key = this.#scalars.key(field, entry);
      else if (isMessage) this.message(isMessage, entry, this.#enter(entry));
      else this.#scalars.scalar(field, entry);
      if (!this.#tokens.skip(',')) this.#tokens.skip(';');
    }
    this.#open.pop();
    this.#noted = outer;
    const named = `${path}[${JSON.stringify(key)}]`;
    this.#note(named, offset);
    for (const [at, where] of noted) this.#note(named + at.slice(entry.length), where);
  }

  #note(path: string, offset: number): void {
    if (!this.offsets.has(path)) this.offsets.set(path, offset);
    this.#noted?.push([path, offset]);
  }
}

function fieldOf(type: Type, name: string): Field | undefined {
  return Object.hasOwn(type.fields, name) ? type.fields[name]?.resolve() : undefined;
}

/** Under which name a field counts as given: members of a oneof share one. */
function nameOnce(field: Field): string {
  return field.partOf?.name ?? field.name;
}

function unknownField(type: Type, name: string, meant: string | undefined): string {
  const said = `Message type "${type.fullName.slice(1)}" has no field named ${quoted(name)}`;
  return meant ? `${said}; did you mean "${meant}"?` : said;
}
