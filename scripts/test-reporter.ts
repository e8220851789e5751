// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Reporter of node:test for scripts/test.ts: one line per file, failures in full, output of a file only when it fails,
 * and the counts as JSON into `$NEREID_TEST_COUNTS`.
 */
import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { TestEvent } from 'node:test/reporters';
import { inspect } from 'node:util';

// biome-ignore lint/style/noDefaultExport: node:test takes a reporter as the default export
export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const output = new Map<string, string>();
  const root = process.cwd();
  for await (const event of events) {
    switch (event.type) {
      case 'test:stdout':
      case 'test:stderr': {
        const { file, message } = event.data;
        output.set(file ?? '', ((output.get(file ?? '') ?? '') + message).slice(-50_000));
        break;
      }
      case 'test:fail': {
        const { name, file, line, details } = event.data;
        // A suite fails because of its tests, which have been shown.
        const isSuite = details.type === 'suite' && details.error.cause === undefined;
        if (isSuite || /\d+ subtests? failed/.test(details.error.message)) break;
        const cause: unknown = details.error.cause ?? details.error;
        yield `\nFAILED ${relative(root, file ?? '')}:${line ?? 0} ${name}\n${describe(cause)}\n`;
        break;
      }
      case 'test:summary': {
        const { file, success, counts } = event.data;
        if (file === undefined) {
          const { passed, skipped, todo, tests } = counts;
          const result = {
            passed,
            failed: tests - passed - skipped - todo,
            skipped: skipped + todo,
          };
          writeFileSync(process.env['NEREID_TEST_COUNTS'] ?? '/dev/stderr', JSON.stringify(result));
          break;
        }
        const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
        yield `  ${success ? 'ok    ' : 'FAILED'} ${relative(root, file)} (${counts.passed} passed${skipped})\n`;
        if (!success && output.has(file)) yield `--- its output ---\n${output.get(file)}---\n`;
        break;
      }
      default:
    }
  }
}

function describe(cause: unknown): string {
  return cause instanceof Error && cause.stack !== undefined
    ? inspect(cause, { colors: false })
    : String(cause);
}
