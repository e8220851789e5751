// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { type Output, styled } from './terminal.ts';

const BAR_WIDTH = 40;
/** More values than this are no plot any more. */
const MAX_BARS = 40;
const MAX_VALUES = 64;

interface OutputTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data?: readonly unknown[];
}

interface Answer {
  readonly model_name?: string;
  readonly model_version?: string;
  readonly outputs?: readonly OutputTensor[];
}

/**
 * An infer answer for people: single values as `name  value`, shares between 0 and 1 as bars on a terminal.
 * @param text the server's JSON; printed as it is when it holds what JSON has no words for (NaN, Infinity)
 */
export function plotAnswer(text: string, out: Output): string {
  const answer = parseExact(text);
  if (answer === undefined) return `${text}\n`;
  const lines = [
    styled(out, 'dim', `${answer.model_name ?? ''} version ${answer.model_version ?? ''}`),
  ];
  const outputs = [...(answer.outputs ?? [])].sort((a, b) => size(a) - size(b));
  for (const output of outputs) lines.push(...describe(output, out));
  return `${lines.join('\n')}\n`;
}

function describe(output: OutputTensor, out: Output): string[] {
  const data = output.data ?? [];
  const [first, second] = data;
  if (first !== undefined && second === undefined) {
    return [`${output.name}  ${styled(out, 'bold', String(first))}`];
  }
  if (out.isTerminal && isShares(output)) {
    return [output.name, ...bars(data.map(Number), out)];
  }
  const shown = data.slice(0, MAX_VALUES).map(String).join(' ');
  const more = data.length > MAX_VALUES ? ` … (${data.length} values)` : '';
  return [`${output.name}  ${shown}${more}`];
}

function isShares({ datatype, data = [] }: OutputTensor): boolean {
  if (!datatype.startsWith('FP') || data.length > MAX_BARS) return false;
  return data.every((value) => typeof value === 'number' && value >= 0 && value <= 1);
}

function bars(values: readonly number[], out: Output): string[] {
  const best = Math.max(...values);
  const width = String(values.length - 1).length;
  return values.map((value, i) => {
    const bar = '█'.repeat(Math.round(value * BAR_WIDTH));
    const line = `  ${String(i).padStart(width)} ${value.toFixed(3)} ${bar}`.trimEnd();
    return value === best ? styled(out, 'green', line) : line;
  });
}

const size = (output: OutputTensor): number => output.data?.length ?? 0;

function parseExact(text: string): Answer | undefined {
  try {
    // Node 20 gives no context: integers beyond 2^53 then print rounded.
    const exact = (_key: string, value: unknown, context?: { source?: string }): unknown =>
      typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)
        ? BigInt(context?.source ?? value)
        : value;
    return JSON.parse(text, exact) as Answer;
  } catch {
    return undefined;
  }
}
