// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { insertAt, type TextEdit } from '../config/pbtxt-remedy.ts';
import type { PbtxtScan } from '../config/pbtxt-scan.ts';

/** Makes edits of a text-format file that has no problems of its own, keeping its layout. */
export class Draft {
  readonly #text: string;
  readonly #find: () => PbtxtScan;

  /** @param find where everything is; asked with the first edit, for most files need none */
  constructor(text: string, find: () => PbtxtScan) {
    this.#text = text;
    this.#find = find;
  }

  get #scan(): PbtxtScan {
    return this.#find();
  }

  /**
   * Gives a field another value, or gives the field where it is missing.
   * @returns undefined when its value is written in pieces, or its message is missing
   */
  set(path: string, value: string): readonly TextEdit[] | undefined {
    const { values, bodies } = this.#scan;
    const span = values.get(path);
    if (span !== undefined) return [{ ...span, text: value }];
    const [, parent = '', name = ''] = /^(?:(.*)\.)?(\w+)$/.exec(path) ?? [];
    if (values.has(path) || name === '' || !bodies.has(parent)) return undefined;
    return this.insert(parent, `${name}: ${value}`);
  }

  /** Adds a field at the end of a message; `parent` is empty for the outermost one. */
  insert(parent: string, field: string): readonly TextEdit[] {
    const body = this.#scan.bodies.get(parent);
    if (body === undefined) return [];
    const written = this.#text.slice(body.start, body.end);
    const end = body.start + endOfFields(written);
    const isOnOneLine = parent !== '' && !written.includes('\n');
    if (isOnOneLine) return [insertAt(end, ` ${field}`)];
    const [, indent = ''] = /^[^\S\n]*\n([ \t]*)\S/.exec(written) ?? [];
    const isEmpty = end === 0;
    return [
      insertAt(end, parent === '' ? `${isEmpty ? '' : '\n'}${field}` : `\n${indent}${field}`),
    ];
  }

  /** Takes a field away, with the separator behind it. @returns undefined when it is written in pieces */
  remove(path: string): readonly TextEdit[] | undefined {
    const { fields, values } = this.#scan;
    const span = fields.get(path);
    if (span === undefined || values.get(path) === undefined) return undefined;
    const [after = ''] = /^\s*[,;]?[^\S\n]*/.exec(this.#text.slice(span.end)) ?? [];
    if (/[,;]/.test(after)) return [{ start: span.start, end: span.end + after.length, text: '' }];
    // The last element of a list: the comma before it goes.
    const [before = ''] = /,\s*$/.exec(this.#text.slice(0, span.start)) ?? [];
    const end = span.end + (/^[^\S\n]*/.exec(this.#text.slice(span.end))?.[0].length ?? 0);
    return [{ start: span.start - before.length, end, text: '' }];
  }
}

/** Where the last thing that is no comment ends. */
function endOfFields(written: string): number {
  const pieces = /#[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|[^\s#"']+/g;
  let end = 0;
  for (const match of written.matchAll(pieces)) {
    if (!match[0].startsWith('#')) end = match.index + match[0].length;
  }
  return end;
}
