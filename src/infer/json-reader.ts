// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { isUtf8 } from 'node:buffer';
import { invalidArgument, type ServeError } from '../base/status.ts';

/**
 * A JSON value with nothing lost: integers of 64 bits are bigint, all other numbers number, and of members with the
 * same name the first stays.
 */
export type JsonValue =
  | null
  | boolean
  | bigint
  | number
  | string
  | readonly JsonValue[]
  | JsonObject;
export type JsonObject = ReadonlyMap<string, JsonValue>;

/** Objects and lists that the caller expects: they do not count as nesting. */
export interface Frame {
  readonly members?: ReadonlyMap<string, Frame>;
  readonly elements?: Frame;
}

const MAX_NESTING = 100;

// ASCII
const CHAR = {
  TAB: 0x09,
  LF: 0x0a,
  CR: 0x0d,
  SPACE: 0x20,
  QUOTE: 0x22,
  PLUS: 0x2b,
  COMMA: 0x2c,
  MINUS: 0x2d,
  DOT: 0x2e,
  ZERO: 0x30,
  NINE: 0x39,
  COLON: 0x3a,
  UPPER_E: 0x45,
  UPPER_I: 0x49,
  UPPER_N: 0x4e,
  OPEN_LIST: 0x5b,
  BACKSLASH: 0x5c,
  CLOSE_LIST: 0x5d,
  LOWER_E: 0x65,
  LOWER_F: 0x66,
  LOWER_I: 0x69,
  LOWER_N: 0x6e,
  LOWER_T: 0x74,
  LOWER_U: 0x75,
  OPEN_OBJECT: 0x7b,
  CLOSE_OBJECT: 0x7d,
} as const;

/** What stands behind the last byte. */
const END = -1;
const BYTE_ORDER_MARK = Buffer.from('\ufeff');

const MIN_INT64 = -(2n ** 63n);
const MAX_UINT64 = 2n ** 64n - 1n;
/** No integer of more digits fits 64 bits. */
const MAX_INTEGER_DIGITS = 20;

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
]);

/**
 * Reads a JSON text: RFC 8259, and NaN, Inf and Infinity as numbers. A byte order mark in front is passed over. The
 * errors have the words of the reader behind Triton.
 * @param frame what does not count as nesting; everything else may be 100 levels deep
 * @throws ServeError InvalidArgument that says what is wrong at which byte
 */
export function readJson(bytes: Uint8Array, frame?: Frame): JsonValue {
  return new Reader(bytes).document(frame);
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  document(frame: Frame | undefined): JsonValue {
    if (this.#bytes.subarray(0, 3).equals(BYTE_ORDER_MARK)) this.#at = 3;
    this.#skipSpace();
    if (this.#next() === END) throw this.#error('The document is empty.');
    const value = this.#value(frame, 0);
    this.#skipSpace();
    if (this.#next() === END) return value;
    throw this.#error('The document root must not be followed by other values.');
  }

  /** The byte at the cursor, or END. */
  #next(): number {
    return this.#bytes[this.#at] ?? END;
  }

  #take(char: number): boolean {
    if (this.#next() !== char) return false;
    this.#at += 1;
    return true;
  }

  #skipSpace(): void {
    for (;;) {
      const byte = this.#next();
      const isSpace =
        byte === CHAR.SPACE || byte === CHAR.LF || byte === CHAR.CR || byte === CHAR.TAB;
      if (!isSpace) return;
      this.#at += 1;
    }
  }

  #error(text: string, at = this.#at): ServeError {
    return invalidArgument(`failed to parse the request JSON buffer: ${text} at ${at}`);
  }

  #value(frame: Frame | undefined, depth: number): JsonValue {
    switch (this.#next()) {
      case CHAR.OPEN_OBJECT:
        return this.#object(frame, frame?.members === undefined ? this.#deeper(depth) : depth);
      case CHAR.OPEN_LIST:
        return this.#list(frame, frame?.elements === undefined ? this.#deeper(depth) : depth);
      case CHAR.QUOTE:
        return this.#string();
      case CHAR.LOWER_T:
        return this.#word('true', true);
      case CHAR.LOWER_F:
        return this.#word('false', false);
      case CHAR.LOWER_N:
        return this.#word('null', null);
      default:
        return this.#number();
    }
  }

  #deeper(depth: number): number {
    if (depth === MAX_NESTING) throw this.#error(`Nesting deeper than ${MAX_NESTING} levels.`);
    return depth + 1;
  }

  #object(frame: Frame | undefined, depth: number): JsonObject {
    const members = new Map<string, JsonValue>();
    this.#at += 1;
    this.#skipSpace();
    if (this.#take(CHAR.CLOSE_OBJECT)) return members;
    for (;;) {
      if (this.#next() !== CHAR.QUOTE) throw this.#error('Missing a name for object member.');
      const name = this.#string();
      this.#skipSpace();
      if (!this.#take(CHAR.COLON)) {
        throw this.#error('Missing a colon after a name of object member.');
      }
      this.#skipSpace();
      const isFirst = !members.has(name);
      const value = this.#value(isFirst ? frame?.members?.get(name) : undefined, depth);
      if (isFirst) members.set(name, value);
      this.#skipSpace();
      if (this.#take(CHAR.CLOSE_OBJECT)) return members;
      if (!this.#take(CHAR.COMMA)) {
        throw this.#error("Missing a comma or '}' after an object member.");
      }
      this.#skipSpace();
    }
  }

  #list(frame: Frame | undefined, depth: number): readonly JsonValue[] {
    const elements: JsonValue[] = [];
    this.#at += 1;
    this.#skipSpace();
    if (this.#take(CHAR.CLOSE_LIST)) return elements;
    for (;;) {
      elements.push(this.#value(frame?.elements, depth));
      this.#skipSpace();
      if (this.#take(CHAR.CLOSE_LIST)) return elements;
      if (!this.#take(CHAR.COMMA)) {
        throw this.#error("Missing a comma or ']' after an array element.");
      }
      this.#skipSpace();
    }
  }

  #word<T>(word: string, value: T): T {
    for (const char of word) {
      if (!this.#take(char.charCodeAt(0))) throw this.#error('Invalid value.');
    }
    return value;
  }

  #string(): string {
    this.#at += 1;
    let text = '';
    let runStart = this.#at;
    const run = (): string => this.#bytes.toString('utf8', runStart, this.#at);
    for (;;) {
      const byte = this.#next();
      if (byte === CHAR.QUOTE) {
        text += run();
        this.#at += 1;
        return text;
      }
      if (byte === CHAR.BACKSLASH) {
        text += run() + this.#escape();
        runStart = this.#at;
      } else if (byte >= 0x80) {
        this.#at += this.#sequenceLength();
      } else if (byte === END) {
        throw this.#error('Missing a closing quotation mark in string.');
      } else if (byte < CHAR.SPACE) {
        throw this.#error('Invalid escape character in string.');
      } else {
        this.#at += 1;
      }
    }
  }

  #escape(): string {
    const start = this.#at;
    const kind = String.fromCharCode(this.#bytes[start + 1] ?? 0);
    this.#at += 2;
    const simple = ESCAPES.get(kind);
    if (simple !== undefined) return simple;
    if (kind !== 'u') throw this.#error('Invalid escape character in string.', start);
    const unit = this.#hex4(start);
    const isHigh = unit >= 0xd800 && unit <= 0xdbff;
    const isLow = unit >= 0xdc00 && unit <= 0xdfff;
    if (!isHigh && !isLow) return String.fromCharCode(unit);
    const lonely = this.#error('The surrogate pair in string is invalid.', start);
    if (isLow || !this.#take(CHAR.BACKSLASH) || !this.#take(CHAR.LOWER_U)) throw lonely;
    const second = this.#hex4(start);
    if (second < 0xdc00 || second > 0xdfff) throw lonely;
    return String.fromCharCode(unit, second);
  }

  #hex4(escapeStart: number): number {
    const digits = this.#bytes.toString('latin1', this.#at, this.#at + 4);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) {
      throw this.#error('Incorrect hex digit after \\u escape in string.', escapeStart);
    }
    this.#at += 4;
    return Number.parseInt(digits, 16);
  }

  /** Bytes of the UTF-8 sequence at the cursor: the shortest form of a code point that is no surrogate. */
  #sequenceLength(): number {
    const lead = this.#next();
    const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    const end = this.#at + length;
    if (end > this.#bytes.length || !isUtf8(this.#bytes.subarray(this.#at, end))) {
      throw this.#error('Invalid encoding in string.');
    }
    return length;
  }

  #number(): bigint | number {
    const start = this.#at;
    this.#take(CHAR.MINUS);
    const isNegative = this.#at !== start;
    if (this.#next() === CHAR.UPPER_N) return this.#word('NaN', Number.NaN);
    if (this.#next() === CHAR.UPPER_I) {
      this.#word('Inf', 0);
      if (this.#next() === CHAR.LOWER_I) this.#word('inity', 0);
      return isNegative ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    }
    // A leading 0 stands alone.
    if (!this.#take(CHAR.ZERO) && !this.#skipDigits()) throw this.#error('Invalid value.');
    let isInteger = true;
    if (this.#take(CHAR.DOT)) {
      isInteger = false;
      if (!this.#skipDigits()) throw this.#error('Miss fraction part in number.');
    }
    if (this.#take(CHAR.LOWER_E) || this.#take(CHAR.UPPER_E)) {
      isInteger = false;
      if (!this.#take(CHAR.PLUS)) this.#take(CHAR.MINUS);
      if (!this.#skipDigits()) throw this.#error('Miss exponent in number.');
    }
    const text = this.#bytes.toString('latin1', start, this.#at);
    if (isInteger && text.length <= MAX_INTEGER_DIGITS + 1) {
      const whole = BigInt(text);
      if (whole >= MIN_INT64 && whole <= MAX_UINT64) return whole;
    }
    const real = Number(text);
    if (!Number.isFinite(real)) {
      throw this.#error('Number too big to be stored in double.', start);
    }
    return real;
  }

  #skipDigits(): boolean {
    const start = this.#at;
    while (this.#next() >= CHAR.ZERO && this.#next() <= CHAR.NINE) this.#at += 1;
    return this.#at !== start;
  }
}
