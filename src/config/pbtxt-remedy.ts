// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Token } from './tokenizer.ts';

/** Replaces the characters from `start` up to `end`; an insertion where both are equal. */
export interface TextEdit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

const YES = new Set(['true', 'yes', 'on', '1']);
const NO = new Set(['false', 'no', 'off', '0']);

/** The string a token was meant for: a word or number without quotes. */
export function meantString(token: Token): TextEdit | undefined {
  return token.kind === 'word' || token.kind === 'number'
    ? replace(token, JSON.stringify(token.text))
    : undefined;
}

/** The integer a token was meant for: in quotes, or written as a fraction of 0. */
export function meantInteger(token: Token): TextEdit | undefined {
  const written = token.kind === 'string' ? token.text.slice(1, -1).trim() : token.text;
  const digits = /^(-?(?:0|[1-9]\d{0,8}))(?:\.0*)?$/.exec(written)?.[1];
  return digits === undefined ? undefined : replace(token, digits);
}

/** The truth value a token was meant for: in quotes, in another case, or another word. */
export function meantBool(token: Token): TextEdit | undefined {
  const written = token.kind === 'string' ? token.text.slice(1, -1).trim() : token.text;
  const word = written.toLowerCase();
  if (YES.has(word)) return replace(token, 'true');
  return NO.has(word) ? replace(token, 'false') : undefined;
}

export function replace({ offset, end }: Token, text: string): TextEdit {
  return { start: offset, end, text };
}

export function insertAt(offset: number, text: string): TextEdit {
  return { start: offset, end: offset, text };
}
