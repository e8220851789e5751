// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../lib/paths.mjs';
import type { Kind } from './config-properties.ts';

/** Lines of names.txt are JSON strings: names have characters that no line shows. */
export function corpusOf(kind: Kind): string[] {
  const read = (file: string): string => readFileSync(join(root, file), 'utf8');
  if (kind === 'name') {
    const lines = read('test/fuzz/config/names.txt').split('\n');
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as string);
  }
  const patterns =
    kind === 'json'
      ? ['test/fuzz/config/*.json']
      : [
          'test/fuzz/config/*.pbtxt',
          'test/fixtures/**/config.pbtxt',
          'model_repository/*/config.pbtxt',
        ];
  return patterns.flatMap((pattern) => globSync(pattern, { cwd: root }).sort().map(read));
}
