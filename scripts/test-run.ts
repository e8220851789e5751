// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export interface Suite {
  readonly name: string;
  run(): Promise<Counts>;
}

/**
 * Runs suites one after the other and prints the sum as its last line.
 * A suite that throws counts as one failure, and so does one that ran no test. A suite that was left out counts as one
 * skipped test, by name.
 * @returns exit code
 */
export async function runSuites(
  suites: readonly Suite[],
  leftOut: readonly string[],
  print: (line: string) => void,
): Promise<number> {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const { name, run } of suites) {
    print(`== ${name}`);
    const startedMs = Date.now();
    const counts = await run().catch((error: unknown) => {
      print(error instanceof Error ? (error.stack ?? error.message) : String(error));
      return { passed: 0, failed: 1, skipped: 0 };
    });
    const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
    print(`== ${name}: ${inWords(counts)} in ${seconds} s`);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
    if (counts.passed + counts.failed + counts.skipped === 0) {
      print(`FAILED ${name}: it ran no test`);
      total.failed += 1;
    }
  }
  for (const name of leftOut) print(`skipped: ${name} (--without=${name})`);
  total.skipped += leftOut.length;
  if (suites.length + leftOut.length === 0) total.failed += 1;
  print(inWords(total));
  return total.failed === 0 ? 0 : 1;
}

function inWords({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
