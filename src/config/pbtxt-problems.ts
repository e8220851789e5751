// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { TextEdit } from './pbtxt-remedy.ts';
import { quoted, type Token } from './tokenizer.ts';

/** Characters from `start` up to `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Something that does not belong into a text-format file. */
export interface PbtxtProblem {
  readonly path: string;
  readonly offset: number;
  readonly text: string;
  readonly kind: 'syntax' | 'unknown-field' | 'invalid-value';
  /** what the writer probably meant; absent where nobody can tell, empty where `blame` has to go */
  readonly edits?: readonly TextEdit[];
  /** without these characters the text has this problem no more */
  readonly blame: Span;
}

/** Problems of one file that are told: beyond it the file is no configuration. */
export const MAX_PROBLEMS = 100;

/** A problem whose field has not ended yet. */
type OpenProblem = Omit<PbtxtProblem, 'blame'> & { blame?: Span };

/** Ends the outermost field it happened in. */
export class Stop extends Error {
  readonly problem: OpenProblem;

  constructor(problem: OpenProblem) {
    super(problem.text);
    this.problem = problem;
  }
}

/** Ends the walk: nothing more is told. */
export class Enough extends Error {}

/** The problems of one walk, in the order of the text. */
export class PbtxtProblems {
  readonly #found: OpenProblem[] = [];

  get count(): number {
    return this.#found.length;
  }

  get all(): PbtxtProblem[] {
    return this.#found.map((one) => ({
      ...one,
      blame: one.blame ?? { start: one.offset, end: one.offset },
    }));
  }

  add(problem: OpenProblem): void {
    this.#found.push(problem);
  }

  /** Gives a problem told before its remedy. */
  mend(index: number, edits: readonly TextEdit[]): void {
    const problem = this.#found[index];
    if (problem !== undefined) this.#found[index] = { ...problem, edits };
  }

  /** Says of the problems from `first` on which characters are to blame, where that is not known better. */
  blame(first: number, span: Span): void {
    for (const problem of this.#found.slice(first)) problem.blame ??= span;
    if (this.count >= MAX_PROBLEMS) throw new Enough();
  }

  /** A problem behind which the walk goes on as if the edits were made. */
  report(
    path: string,
    token: Token,
    text: string,
    edits?: readonly TextEdit[],
    kind: PbtxtProblem['kind'] = 'syntax',
  ): void {
    if (token.kind === 'broken') this.stop(path, token, text);
    this.add({ path, offset: token.offset, text, kind, ...(edits === undefined ? {} : { edits }) });
  }

  /** A value of the wrong kind that is one token. */
  reject(path: string, token: Token, text: string, meant?: TextEdit): void {
    if (token.kind === 'mark' || token.kind === 'end') this.stop(path, token, text);
    this.report(path, token, text, meant && [meant], 'invalid-value');
  }

  stop(path: string, token: Token, text: string): never {
    const said = token.kind === 'broken' ? (token.problem ?? text) : text;
    throw new Stop({ path, offset: token.offset, text: said, kind: 'syntax' });
  }
}

export function shown(token: Token): string {
  if (token.kind === 'end') return 'end of file';
  return token.kind === 'string' ? quoted(token.text.slice(1, -1)) : quoted(token.text);
}
