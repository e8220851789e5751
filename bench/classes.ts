// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/** The text of a label file, one label a line. */
export function labelFile(count: number): string {
  return Array.from({ length: count }, (_, index) => `${labelOf(index)}\n`).join('');
}

/** What a classification of one row answers: the largest values first, `value:index:label`. */
export function classesOf(values: Float32Array, count: number): string[] {
  return [...values.entries()]
    .sort(([, a], [, b]) => b - a)
    .slice(0, count)
    .map(([index, value]) => `${value.toFixed(6)}:${index}:${labelOf(index)}`);
}

const labelOf = (index: number) => `label ${index}`;
