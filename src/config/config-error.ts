// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { ServeError } from '../base/status.ts';

/**
 * Where Triton notices a problem, which decides how it answers a load: `read` while the configuration is read
 * (500, `failed to load 'm', failed to poll from model repository`), `load` while the version is built
 * (400, `load failed for model 'm': version 1 is at UNAVAILABLE state: …`).
 */
export type ConfigPhase = 'read' | 'load';

/** One thing wrong with a configuration. */
export interface ConfigProblem {
  /** field, e.g. `input[0].dims[1]`; empty when no field is to blame */
  readonly path: string;
  /** what is wrong, what was expected, what to do; Triton's words where Triton has them */
  readonly text: string;
  readonly phase: ConfigPhase;
}

/** Line and column, both counted from 1; columns count UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A configuration that cannot be served. `message` is `file:line:column: field path: text` as far as each is known. */
export class ConfigError extends ServeError {
  /** the sentence alone, without position and path */
  readonly text: string;
  readonly path: string;
  readonly phase: ConfigPhase;
  readonly position: Position | undefined;

  /** @param prefix put before everything, e.g. `Invalid config override: ` */
  constructor(problem: ConfigProblem, file?: string, position?: Position, prefix = '') {
    super('InvalidArgument', prefix + sentence(problem, file, position));
    this.text = problem.text;
    this.path = problem.path;
    this.phase = problem.phase;
    this.position = position;
  }
}

function sentence(problem: ConfigProblem, file?: string, position?: Position): string {
  let head = file ? `${file}:` : '';
  if (head && position) head += `${position.line}:${position.column}:`;
  if (problem.path) head += `${head ? ' ' : ''}${problem.path}:`;
  return head ? `${head} ${problem.text}` : problem.text;
}

/** Line and column of an offset. CRLF counts as one line end. */
export function positionAt(text: string, offset: number): Position {
  let line = 1;
  let start = 0;
  for (let end = text.indexOf('\n'); end >= 0 && end < offset; end = text.indexOf('\n', end + 1)) {
    line += 1;
    start = end + 1;
  }
  return { line, column: offset - start + 1 };
}
