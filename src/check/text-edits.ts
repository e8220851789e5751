// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { TextEdit } from '../config/pbtxt-remedy.ts';
import type { Fix } from './finding.ts';

/** A text with corrections, and the way between places in both. Edits that cross an earlier one are left out. */
export class EditedText {
  readonly original: string;
  readonly text: string;
  /** what was applied, in the order of the text */
  readonly edits: readonly TextEdit[];

  constructor(original: string, edits: readonly TextEdit[]) {
    this.original = original;
    this.edits = withoutCrossings(edits);
    let text = '';
    let at = 0;
    for (const edit of this.edits) {
      text += original.slice(at, edit.start) + edit.text;
      at = edit.end;
    }
    this.text = text + original.slice(at);
  }

  /** Where a place of the corrected text was in the original; in a correction: where that begins. */
  toOriginal(offset: number): number {
    let grown = 0;
    for (const { start, end, text } of this.edits) {
      if (offset < start + grown) break;
      if (offset < start + grown + text.length) return start;
      grown += text.length - (end - start);
    }
    return offset - grown;
  }

  /** Where a place of the original is in the corrected text; `after` puts it behind what was inserted there. */
  toEdited(offset: number, after: boolean): number {
    let grown = 0;
    for (const { start, end, text } of this.edits) {
      if (offset < start || (offset === start && !after)) break;
      if (offset < end) return start + grown + (after ? text.length : 0);
      grown += text.length - (end - start);
    }
    return offset + grown;
  }

  /** The whole lines that these edits change, with every other correction of the same lines. */
  fix(edits: readonly TextEdit[]): Fix | null {
    if (edits.length === 0) return null;
    let start = Math.min(...edits.map((edit) => edit.start));
    let end = Math.max(...edits.map((edit) => edit.end));
    for (let before = -1; before !== end - start; ) {
      before = end - start;
      start = this.original.lastIndexOf('\n', start - 1) + 1;
      end = lineEnd(this.original, end);
      for (const edit of this.edits) {
        if (edit.end < start || edit.start > end) continue;
        start = Math.min(start, edit.start);
        end = Math.max(end, edit.end);
      }
    }
    const lines = this.text
      .slice(this.toEdited(start, false), this.toEdited(end, true))
      .split('\n')
      .map((line) => line.replace(/\r$/, ''))
      .filter((line) => line.trim() !== '');
    const line = lineOf(this.original, start);
    return { line, endLine: line + lineOf(this.original.slice(start, end), end) - 1, lines };
  }
}

/** `text` without the lines of a fix, with its lines instead. */
export function applyFix(text: string, fix: Fix): string {
  const lines = text.split('\n');
  lines.splice(fix.line - 1, fix.endLine - fix.line + 1, ...fix.lines);
  return lines.join('\n');
}

/** Sorted; of edits that cross, the one that begins first and takes most stays, and of two for one place the last. */
function withoutCrossings(edits: readonly TextEdit[]): TextEdit[] {
  const kept: TextEdit[] = [];
  const isInsertion = (edit: TextEdit): boolean => edit.start === edit.end;
  const sorted = [...edits.entries()]
    .sort(
      ([i, a], [j, b]) =>
        a.start - b.start ||
        Number(isInsertion(b)) - Number(isInsertion(a)) ||
        b.end - a.end ||
        (isInsertion(a) ? i - j : j - i),
    )
    .map(([, edit]) => edit);
  const seen = new Set<string>();
  for (const edit of sorted) {
    // Two problems may have the same correction.
    const key = JSON.stringify([edit.start, edit.end, edit.text]);
    if (seen.has(key) || edit.start < (kept.at(-1)?.end ?? 0)) continue;
    seen.add(key);
    kept.push(edit);
  }
  return kept;
}

function lineEnd(text: string, offset: number): number {
  const end = text.indexOf('\n', offset);
  return end < 0 ? text.length : end;
}

function lineOf(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) {
    line += 1;
  }
  return line;
}
