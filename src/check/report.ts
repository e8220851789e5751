// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Finding, Fix } from './finding.ts';
import type { CheckReport } from './repository-check.ts';

/** How pieces of a report look; the plain one leaves them as they are. */
export type Paint = (style: 'bold' | 'dim' | 'red' | 'yellow' | 'green', text: string) => string;

/** Longest piece of a source line that is shown. */
const MAX_LINE = 140;
/** Characters left of a far place that are shown with it. */
const BEFORE = 60;

/** How many findings of each severity. */
export function countFindings({ findings }: CheckReport): { errors: number; warnings: number } {
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  return { errors, warnings: findings.length - errors };
}

/** For people: every finding with its place, the line, both sides and the corrected lines; then the counts. */
export function textReport(report: CheckReport, paint: Paint): string {
  const { errors, warnings } = countFindings(report);
  const summary =
    `checked ${many(report.models, 'model')} in ${many(report.repositories.length, 'repository')}: ` +
    `${many(errors, 'error')}, ${many(warnings, 'warning')}`;
  const style = errors > 0 ? 'red' : warnings > 0 ? 'yellow' : 'green';
  return [
    ...report.findings.map((one) => `${findingText(one, paint)}\n`),
    `${paint(style, summary)}\n`,
  ].join('');
}

/** For programs; docs/check.md has its form. */
export function jsonReport(report: CheckReport): string {
  const { errors, warnings } = countFindings(report);
  const { repositories, models, findings } = report;
  return `${JSON.stringify({ version: 1, repositories, models, errors, warnings, findings }, null, 2)}\n`;
}

function findingText(one: Finding, paint: Paint): string {
  const place = one.line === null ? one.file : `${one.file}:${one.line}:${one.column}`;
  const isError = one.severity === 'error';
  const about = one.field === '' ? '' : `${one.field}: `;
  const head =
    `${paint('bold', `${visible(place)}:`)} ${paint(isError ? 'red' : 'yellow', `${one.severity}:`)} ` +
    `${visible(about + one.message)} ${paint('dim', `[${one.code}]`)}`;
  return [
    head,
    ...sourceText(one, paint),
    ...one.notes.map((note) => `${margin('=', paint)}${visible(note)}`),
    ...(one.fix === null ? [] : fixText(one.fix, paint)),
  ].join('\n');
}

function sourceText({ line, column, source, severity }: Finding, paint: Paint): string[] {
  if (line === null || column === null || source === null) return [];
  const from = column > MAX_LINE - BEFORE ? column - 1 - BEFORE : 0;
  const shown = source.text.slice(from, from + MAX_LINE);
  const length = Math.max(1, Math.min(source.length, shown.length - (column - 1 - from)));
  // A tab stays a tab so that the mark stands under its place.
  const before = shown.slice(0, column - 1 - from).replace(/[^\t]/g, ' ');
  const mark = paint(severity === 'error' ? 'red' : 'yellow', '^'.repeat(length));
  return [
    `${margin(String(line), paint)}${visible(shown)}`,
    `${margin('', paint)}${before}${mark}`,
  ];
}

function fixText({ line, endLine, lines }: Fix, paint: Paint): string[] {
  const which = line === endLine ? `line ${line}` : `lines ${line}–${endLine}`;
  if (lines.length === 0) return [`${margin('=', paint)}leave out ${which}`];
  return [
    `${margin('=', paint)}write instead of ${which}`,
    ...lines.map((text) => `${margin('+', paint)}${paint('green', visible(text))}`),
  ];
}

function margin(text: string, paint: Paint): string {
  return paint('dim', `${text.padStart(5)} | `);
}

/** Names and files may hold anything: what steers a terminal is not sent to one. */
function visible(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are meant
  return text.replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g, '\uFFFD');
}

function many(count: number, noun: string): string {
  if (count === 1) return `1 ${noun}`;
  return `${count} ${noun.endsWith('y') ? `${noun.slice(0, -1)}ies` : `${noun}s`}`;
}
