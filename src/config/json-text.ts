// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/**
 * JSON as it was written: numbers keep their digits and every value its place, which JSON.parse does not give.
 * For configurations only; tensors never pass here.
 */
export type JsonNode =
  | { readonly kind: 'object'; readonly offset: number; readonly members: readonly JsonMember[] }
  | { readonly kind: 'array'; readonly offset: number; readonly items: readonly JsonNode[] }
  | { readonly kind: 'string'; readonly offset: number; readonly value: string }
  | { readonly kind: 'number'; readonly offset: number; readonly text: string }
  | { readonly kind: 'boolean'; readonly offset: number; readonly value: boolean }
  | { readonly kind: 'null'; readonly offset: number };

export interface JsonMember {
  readonly name: string;
  readonly offset: number;
  readonly value: JsonNode;
}

/** Where a text stops being JSON, and why. */
export class JsonProblem extends Error {
  readonly offset: number;

  constructor(offset: number, text: string) {
    super(text);
    this.offset = offset;
  }
}

/** Nesting that is read; a model configuration needs 8. */
const MAX_JSON_DEPTH = 100;

const SPACE = /[ \t\r\n]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids them in strings
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const LITERAL = /true|false|null/y;

/**
 * Reads one JSON value with nothing after it.
 * @throws JsonProblem
 */
export function readJson(text: string): JsonNode {
  const reader = new Reader(text);
  const node = reader.value(0);
  reader.end();
  return node;
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): JsonNode {
    if (depth > MAX_JSON_DEPTH) this.#fail(`nested deeper than ${MAX_JSON_DEPTH} levels`);
    const offset = this.#skipSpace();
    const char = this.#text[offset];
    if (char === '{') return this.#object(offset, depth);
    if (char === '[') return this.#array(offset, depth);
    if (char === '"') return { kind: 'string', offset, value: this.#string() };
    const number = this.#match(NUMBER);
    if (number !== undefined) return { kind: 'number', offset, text: number };
    const literal = this.#match(LITERAL);
    if (literal === 'null') return { kind: 'null', offset };
    if (literal !== undefined) return { kind: 'boolean', offset, value: literal === 'true' };
    return this.#fail(`expected a value, got ${this.#shown()}`);
  }

  end(): void {
    if (this.#skipSpace() < this.#text.length)
      this.#fail(`expected nothing more, got ${this.#shown()}`);
  }

  #object(offset: number, depth: number): JsonNode {
    const members: JsonMember[] = [];
    this.#at += 1;
    if (this.#skip('}')) return { kind: 'object', offset, members };
    do {
      const at = this.#skipSpace();
      if (this.#text[at] !== '"')
        this.#fail(`expected a name in double quotes, got ${this.#shown()}`);
      const name = this.#string();
      this.#expect(':');
      members.push({ name, offset: at, value: this.value(depth + 1) });
    } while (this.#skip(','));
    this.#expect('}');
    return { kind: 'object', offset, members };
  }

  #array(offset: number, depth: number): JsonNode {
    const items: JsonNode[] = [];
    this.#at += 1;
    if (this.#skip(']')) return { kind: 'array', offset, items };
    do items.push(this.value(depth + 1));
    while (this.#skip(','));
    this.#expect(']');
    return { kind: 'array', offset, items };
  }

  #string(): string {
    const text = this.#match(STRING);
    if (text === undefined) return this.#fail('expected a string that ends in double quotes');
    return JSON.parse(text) as string;
  }

  #skip(mark: string): boolean {
    if (this.#text[this.#skipSpace()] !== mark) return false;
    this.#at += 1;
    return true;
  }

  #expect(mark: string): void {
    if (!this.#skip(mark)) this.#fail(`expected "${mark}", got ${this.#shown()}`);
  }

  #skipSpace(): number {
    this.#match(SPACE);
    return this.#at;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    if (!pattern.test(this.#text)) return undefined;
    const start = this.#at;
    this.#at = pattern.lastIndex;
    return this.#text.slice(start, this.#at);
  }

  #shown(): string {
    const rest = this.#text.slice(this.#at, this.#at + 20);
    return rest ? JSON.stringify(rest) : 'the end of the text';
  }

  #fail(text: string): never {
    throw new JsonProblem(this.#at, text);
  }
}
