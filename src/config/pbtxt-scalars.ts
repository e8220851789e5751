// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { isUtf8 } from 'node:buffer';
import type { Field } from 'protobufjs';
import { enumOf, mapKeyType } from './message.ts';
import { type PbtxtProblems, shown } from './pbtxt-problems.ts';
import { meantBool, meantInteger, meantString, replace } from './pbtxt-remedy.ts';
import { integerRange } from './proto.ts';
import { didYouMeanEnum } from './suggest.ts';
import { stringBytes, type Token, type Tokenizer } from './tokenizer.ts';

/** Reads the values of a text-format file that are no message, and says what is wrong with them. */
export class Scalars {
  readonly #tokens: Tokenizer;
  readonly #problems: PbtxtProblems;

  constructor(tokens: Tokenizer, problems: PbtxtProblems) {
    this.#tokens = tokens;
    this.#problems = problems;
  }

  /** @returns the key as paths show it */
  key(field: Field, path: string): string {
    const type = mapKeyType(field);
    return type === 'string' ? this.#string(path) : this.#integer(type, path).toString();
  }

  scalar(field: Field, path: string): void {
    const enumType = enumOf(field);
    if (enumType) this.#enum(field, Object.keys(enumType.values), enumType.valuesById, path);
    else if (field.type === 'string') this.#string(path);
    else if (field.type === 'bool') this.#bool(field, path);
    else if (integerRange(field.type)) this.#integer(field.type, path);
    else this.#float(path);
  }

  #string(path: string): string {
    const first = this.#tokens.peek();
    if (first.kind !== 'string') {
      this.#problems.reject(
        path,
        first,
        `Expected string, got: ${shown(first)}${first.kind === 'word' ? '; put it in double quotes' : ''}`,
        meantString(first),
      );
      this.#tokens.take();
      return '';
    }
    const pieces: Buffer[] = [];
    while (this.#tokens.peek().kind === 'string') pieces.push(stringBytes(this.#tokens.take()));
    const bytes = Buffer.concat(pieces);
    if (!isUtf8(bytes))
      this.#problems.reject(path, first, 'invalid UTF-8 string; escapes must spell UTF-8');
    const value = bytes.toString();
    if (value.includes('\0'))
      this.#problems.reject(path, first, 'The string holds a NUL; names and values are text');
    return value;
  }

  #bool(field: Field, path: string): void {
    const token = this.#tokens.take();
    if (!/^(true|True|t|1|false|False|f|0|0x[01])$/.test(token.text))
      this.#problems.reject(
        path,
        token,
        `Invalid value for boolean field "${field.name}". Value: ${shown(token)}; expected true or false`,
        meantBool(token),
      );
  }

  #integer(type: string, path: string): bigint {
    const minus = this.#tokens.peek();
    const negative = this.#tokens.skip('-');
    const token = this.#tokens.take();
    const range = integerRange(type);
    if (!isInteger(token)) {
      this.#problems.reject(
        path,
        token,
        `Expected integer, got: ${shown(token)}${token.kind === 'string' ? '; leave out the quotes' : ''}`,
        meantInteger(token),
      );
      return 0n;
    }
    const value = BigInt(decimal(token.text)) * (negative ? -1n : 1n);
    if (range && (value < range.min || value > range.max))
      this.#problems.report(
        path,
        negative ? minus : token,
        `Integer out of range (${negative ? '-' : ''}${token.text.slice(0, 40)}), expected ${range.min} to ${range.max}`,
        undefined,
        'invalid-value',
      );
    return value;
  }

  #float(path: string): void {
    this.#tokens.skip('-');
    const token = this.#tokens.take();
    const isNumber = token.kind === 'number';
    const isDecimal = isNumber && !/^0[xX0-9]/.test(token.text);
    if (isDecimal || /^(inf|infinity|nan)$/i.test(token.text)) return;
    this.#problems.reject(
      path,
      token,
      isNumber
        ? `Expect a decimal number, got: ${token.text}`
        : `Expected double, got: ${shown(token)}`,
    );
  }

  #enum(field: Field, names: string[], byId: Readonly<Record<number, string>>, path: string): void {
    const minus = this.#tokens.skip('-');
    const token = this.#tokens.take();
    const known =
      token.kind === 'word'
        ? !minus && names.includes(token.text)
        : isInteger(token) && byId[Number(decimal(token.text)) * (minus ? -1 : 1)] !== undefined;
    if (known) return;
    const isName = token.kind === 'word' || isInteger(token);
    const written = token.kind === 'string' ? token.text.slice(1, -1) : token.text;
    const meant = isInteger(token) ? undefined : didYouMeanEnum(written, names);
    this.#problems.reject(
      path,
      token,
      isName
        ? `Unknown enumeration value of ${shown(token)} for field "${field.name}"; ` +
            (meant ? `did you mean ${meant}?` : `expected one of ${names.join(', ')}`)
        : `Expected integer or identifier, got: ${shown(token)}`,
      meant === undefined ? undefined : replace(token, meant),
    );
  }
}

/** Whether a token is an integer of the text format: hexadecimal, octal behind a 0, or decimal. */
function isInteger({ kind, text }: Token): boolean {
  return kind === 'number' && /^(0[xX][0-9A-Fa-f]+|0[0-7]*|[1-9][0-9]*)$/.test(text);
}

/** An integer token as BigInt reads it; a leading 0 means octal in the text format. */
function decimal(text: string): string {
  return /^0[0-7]+$/.test(text) ? `0o${text.slice(1)}` : text.replace(/^0X/, '0x');
}
