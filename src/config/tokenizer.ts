// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/** One piece of a text-format file. `offset` and `end` are positions in the text. */
export interface Token {
  /** `broken` is a piece that can be no token; `problem` says why. `end` is the end of the file. */
  readonly kind: 'word' | 'number' | 'string' | 'mark' | 'end' | 'broken';
  readonly text: string;
  readonly offset: number;
  readonly end: number;
  readonly problem?: string;
}

const SPACE = /(?:[ \t\v\f\r\n]|#[^\n]*)*/y;
const WORD = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER =
  /(?:0[xX][0-9A-Fa-f]+|[0-9]+\.[0-9]*(?:[eE][+-]?[0-9]+)?[fF]?|\.[0-9]+(?:[eE][+-]?[0-9]+)?[fF]?|[0-9]+[eE][+-]?[0-9]+[fF]?|[0-9]+[fF]?)(?![A-Za-z0-9_])/y;
const ESCAPE =
  /\\(?:[abfnrtv?\\'"]|[0-7]{1,3}|[xX][0-9A-Fa-f]{1,2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8})/y;
const MARKS = '{}<>:[],;-';

/** Cuts a text-format file into tokens, one ahead. Never throws: what is no token comes as `broken`. */
export class Tokenizer {
  readonly #text: string;
  #next: Token;
  #end = 0;

  constructor(text: string) {
    this.#text = text;
    this.#next = this.#read(0);
  }

  peek(): Token {
    return this.#next;
  }

  take(): Token {
    const token = this.#next;
    this.#end = token.end;
    if (token.kind !== 'end') this.#next = this.#read(token.end);
    return token;
  }

  /** Where the last token that was taken ends. */
  get end(): number {
    return this.#end;
  }

  /** Goes on reading at an offset. */
  seek(offset: number): void {
    this.#end = offset;
    this.#next = this.#read(offset);
  }

  /** Takes the next token if it is this mark. */
  skip(mark: string): boolean {
    if (this.#next.kind !== 'mark' || this.#next.text !== mark) return false;
    this.take();
    return true;
  }

  #read(from: number): Token {
    const offset = this.#match(SPACE, from) ?? from;
    const char = this.#text[offset];
    if (char === undefined) return { kind: 'end', text: '', offset, end: offset };
    if (char === '"' || char === "'") return this.#readString(offset, char);
    const word = this.#match(WORD, offset);
    if (word !== undefined) return this.#token('word', offset, word);
    const number = this.#match(NUMBER, offset);
    if (number !== undefined) return this.#token('number', offset, number);
    if (MARKS.includes(char)) return this.#token('mark', offset, offset + 1);
    return this.#broken(offset, offset + 1, strayProblem(char));
  }

  #readString(offset: number, quote: string): Token {
    for (let at = offset + 1; at < this.#text.length; ) {
      const char = this.#text[at];
      if (char === quote) return this.#token('string', offset, at + 1);
      if (char === '\n') break;
      if (char === '\0') return this.#broken(at, at + 1, strayProblem('\0'));
      if (char === '\\') {
        const after = this.#match(ESCAPE, at);
        if (after === undefined)
          return this.#broken(
            at,
            at + 2,
            `Invalid escape sequence ${quoted(this.#text.slice(at, at + 2))} in string`,
          );
        at = after;
      } else at += 1;
    }
    return this.#broken(
      offset,
      offset + 1,
      `Unexpected end of string; close it with ${quote} on the same line`,
    );
  }

  #match(pattern: RegExp, at: number): number | undefined {
    pattern.lastIndex = at;
    return pattern.test(this.#text) ? pattern.lastIndex : undefined;
  }

  #token(kind: Token['kind'], offset: number, end: number): Token {
    return { kind, text: this.#text.slice(offset, end), offset, end };
  }

  #broken(offset: number, end: number, problem: string): Token {
    return { kind: 'broken', text: this.#text.slice(offset, end), offset, end, problem };
  }
}

function strayProblem(char: string): string {
  if (char === '\0') return 'Invalid control characters encountered in text: a NUL byte';
  return /[0-9.]/.test(char) ? 'Expected a number' : `Unexpected character ${quoted(char)}`;
}

/** A piece of a file as an error may show it: short, on one line, in double quotes. */
export function quoted(text: string): string {
  const short = text.length > 40 ? `${text.slice(0, 40)}…` : text;
  return JSON.stringify(short);
}

/** The bytes a string token stands for, escapes resolved. */
export function stringBytes(token: Token): Buffer {
  const pieces: Buffer[] = [];
  for (const [piece] of token.text.slice(1, -1).matchAll(PIECE)) pieces.push(pieceBytes(piece));
  return Buffer.concat(pieces);
}

const PIECE = /[^\\]+|\\(?:[0-7]{1,3}|[xX][0-9A-Fa-f]{1,2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)/gs;

/** A byte that is no UTF-8 wherever it stands, so that the string is refused. */
const NO_UTF8 = Buffer.from([0xff]);

const PLAIN_ESCAPES: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
};

function pieceBytes(piece: string): Buffer {
  // Half of a surrogate pair has no UTF-8; a replacement would pass for one.
  if (!piece.startsWith('\\')) {
    const bytes = Buffer.from(piece);
    return bytes.toString() === piece ? bytes : NO_UTF8;
  }
  const kind = piece.charAt(1);
  const digits = piece.slice(2);
  if (kind === 'u' || kind === 'U') {
    const point = Number.parseInt(digits, 16);
    const isCharacter = point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff);
    return isCharacter ? Buffer.from(String.fromCodePoint(point)) : NO_UTF8;
  }
  if (kind === 'x' || kind === 'X') return Buffer.from([Number.parseInt(digits, 16)]);
  if (/[0-7]/.test(kind)) return Buffer.from([Number.parseInt(piece.slice(1), 8) & 255]);
  return Buffer.from([PLAIN_ESCAPES[kind] ?? kind.charCodeAt(0)]);
}
