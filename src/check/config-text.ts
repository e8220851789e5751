// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { ConfigError, positionAt } from '../config/config-error.ts';
import { type JsonConfigProblem, scanConfigJson } from '../config/json-config.ts';
import type { ConfigSource, ModelConfig } from '../config/model-config.ts';
import { nearest } from '../config/pbtxt.ts';
import type { PbtxtProblem } from '../config/pbtxt-problems.ts';
import type { TextEdit } from '../config/pbtxt-remedy.ts';
import { type PbtxtScan, scanPbtxt } from '../config/pbtxt-scan.ts';
import { modelConfigType } from '../config/proto.ts';
import { readModelConfig } from '../config/read.ts';
import type { Finding, FindingCode } from './finding.ts';
import { EditedText } from './text-edits.ts';

/** Something wrong with a configuration, before it is a finding. */
export interface TextProblem {
  readonly severity?: Finding['severity'];
  readonly code: FindingCode;
  readonly field: string;
  readonly message: string;
  readonly notes?: readonly string[];
  /** where in the text as written; absent: where `field` is */
  readonly offset?: number | undefined;
  /** in the text as written */
  readonly edits?: readonly TextEdit[] | undefined;
}

export type Placed = Pick<
  Finding,
  'severity' | 'code' | 'field' | 'message' | 'notes' | 'line' | 'column' | 'source' | 'fix'
>;

/** Longest piece of a line that is shown. */
const MAX_SHOWN = 400;

/** The JSON of a load's `config` parameter, checked instead of a model's own configuration. */
export interface JsonOverride {
  readonly text: string;
  /** as it was named on the command line */
  readonly file: string;
}

/**
 * A `config.pbtxt`, or a configuration in JSON, and what can be read of it: where the text has problems, it is read with their remedies in place,
 * or without what is to blame, so that everything else can be checked.
 */
export class ConfigText {
  /** undefined when not even the rest can be read */
  readonly config: ModelConfig | undefined;
  /** what is wrong with the text itself */
  readonly problems: readonly TextProblem[];
  readonly format: ConfigSource['format'];
  readonly #repaired: EditedText;
  #scan: PbtxtScan | undefined;

  /** @param text the whole file */
  constructor(text: string, format: ConfigSource['format'] = 'pbtxt') {
    this.format = format;
    if (format === 'json') {
      const { config, offsets, problems } = scanConfigJson(text);
      this.#repaired = new EditedText(text, []);
      this.config = config;
      this.problems = problems.map((one) => jsonProblem(one));
      this.#scan = { ...NOTHING_TO_EDIT, offsets };
      return;
    }
    // The byte order mark that some editors write is no part of the text.
    const original = text.replace(/^\uFEFF/, ' ');
    try {
      this.#repaired = new EditedText(original, []);
      this.config = readModelConfig(original, 'config.pbtxt');
      this.problems = [];
    } catch (thrown) {
      if (!(thrown instanceof ConfigError)) throw thrown;
      const told = this.#tell(original, thrown);
      this.#repaired = new EditedText(original, told.flatMap(repairs));
      this.problems = told.length === 0 ? [unplaced(thrown)] : told.map(textProblem);
      this.config = told.length === 0 ? undefined : configOf(this.#repaired.text);
    }
  }

  /** Without problems of the text, as it was written. */
  get text(): string {
    return this.#repaired.text;
  }

  /** Where everything is in `text`. */
  get scan(): PbtxtScan {
    this.#scan ??= scanPbtxt(this.text, modelConfigType());
    return this.#scan;
  }

  /** The first written field that a name without indexes stands for: `input[0].format` for `input.format`. */
  writtenPath(field: string): string {
    const { offsets } = this.scan;
    if (offsets.has(field)) return field;
    for (const path of offsets.keys()) {
      const plain = path.replace(/\[(?:\d+|"(?:[^"\\]|\\.)*")\]/g, '');
      if (plain === field || plain.endsWith(`.${field}`)) return path;
    }
    return field;
  }

  /** Edits of `text` as edits of the file. */
  inFile(edits: readonly TextEdit[]): TextEdit[] {
    return edits.map(({ start, end, text }) => ({
      start: this.#repaired.toOriginal(start),
      end: this.#repaired.toOriginal(end),
      text,
    }));
  }

  /** Problems with their places, and with corrected lines in which every correction is made. In the order given. */
  place(problems: readonly TextProblem[]): Placed[] {
    const { original } = this.#repaired;
    const fixed = new EditedText(
      original,
      problems.flatMap((problem) => problem.edits ?? []),
    );
    return problems.map((problem) => {
      const { code, field, message, notes = [], severity = 'error', edits = [] } = problem;
      const spot = this.#spot(problem);
      const fix = fixed.fix(edits);
      if (spot === undefined)
        return {
          severity,
          code,
          field,
          message,
          notes,
          line: null,
          column: null,
          source: null,
          fix,
        };
      const { line, column } = positionAt(original, spot.offset);
      const source = sourceLine(original, spot.offset, spot.length);
      return { severity, code, field, message, notes, line, column, source, fix };
    });
  }

  #tell(original: string, thrown: ConfigError): readonly PbtxtProblem[] {
    // Without a place it is too large to be looked at.
    return thrown.position === undefined ? [] : scanPbtxt(original, modelConfigType()).problems;
  }

  #spot({ offset, field }: TextProblem): { offset: number; length: number } | undefined {
    const { original } = this.#repaired;
    if (offset !== undefined) return { offset, length: wordLength(original, offset) };
    if (field === '' || original.trim() === '') return undefined;
    const { offsets } = this.scan;
    const at = offsets.get(this.writtenPath(field)) ?? nearest(offsets, field);
    if (at === undefined) return undefined;
    const span = this.scan.fields.get(this.writtenPath(field));
    const start = this.#repaired.toOriginal(at);
    const end = span?.start === at ? this.#repaired.toOriginal(span.end) : 0;
    return { offset: start, length: Math.max(end - start, wordLength(original, start)) };
  }
}

/** Corrections are made in text format alone. */
const NOTHING_TO_EDIT: Omit<PbtxtScan, 'offsets'> = {
  fields: new Map(),
  values: new Map(),
  bodies: new Map(),
  problems: [],
};

function jsonProblem({ path, offset, text }: JsonConfigProblem): TextProblem {
  const isUnknown = text.startsWith('Cannot find field');
  const code = isUnknown ? 'unknown-field' : path === '' ? 'syntax' : 'invalid-value';
  return { code, field: path, message: text, offset };
}

function configOf(text: string): ModelConfig | undefined {
  try {
    return readModelConfig(text, 'config.pbtxt');
  } catch (thrown) {
    if (thrown instanceof ConfigError) return undefined;
    throw thrown;
  }
}

function repairs({ edits, blame }: PbtxtProblem): readonly TextEdit[] {
  return edits === undefined || edits.length === 0 ? [{ ...blame, text: '' }] : edits;
}

function textProblem(problem: PbtxtProblem): TextProblem {
  return {
    code: problem.kind,
    field: problem.path,
    message: problem.text,
    offset: problem.offset,
    edits: problem.edits && repairs(problem),
  };
}

/** What only the reader noticed. */
function unplaced({ text, path }: ConfigError): TextProblem {
  return { code: 'syntax', field: path, message: text };
}

function wordLength(text: string, offset: number): number {
  const word = /[\w.+-]+|"[^"\n]*"?/y;
  word.lastIndex = offset;
  return word.exec(text)?.[0].length ?? 1;
}

/** The line of an offset, cut where it is long; the length ends with the line. */
function sourceLine(
  text: string,
  offset: number,
  length: number,
): { readonly text: string; readonly length: number } {
  const start = text.lastIndexOf('\n', offset - 1) + 1;
  const line = /[^\r\n]*/.exec(text.slice(start, start + MAX_SHOWN))?.[0] ?? '';
  return { text: line, length: Math.max(1, Math.min(length, start + line.length - offset)) };
}
