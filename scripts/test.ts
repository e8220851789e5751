// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Runs the suites of scripts/lib/suites.mjs and ends with one line, `N passed, N failed`, with `, N skipped` when there
 * are any. Exit code 1 on a failure and when a suite ran no test.
 *
 *   npm test [-- --only=native,unit] [--without=triton]
 */
import { spawn } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildFolder } from './build-native.mjs';
import { chooseSuites } from './lib/suites.mjs';
import { type Counts, runSuites, type Suite } from './test-run.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const scratch = mkdtempSync(join(tmpdir(), 'nereid-test-'));

const choice = chooseSuites(process.argv.slice(2), process.env);
const environment: NodeJS.ProcessEnv = {
  ...process.env,
  NEREID_WITHOUT: choice.withoutCounterparts.join(','),
};

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

let current: ReturnType<typeof spawn> | undefined;

/** Runs a program; `stream` shows its lines as they come, else the caller shows them when they matter. */
function run(
  command: string,
  args: readonly string[],
  options: { stream?: boolean; env?: NodeJS.ProcessEnv; timeoutMs?: number } = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      env: options.env ?? environment,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: options.timeoutMs ?? 0,
      killSignal: 'SIGKILL',
    });
    current = child;
    let output = '';
    const take = (text: Buffer) => {
      output = (output + text.toString()).slice(-1_000_000);
      if (options.stream === true) process.stdout.write(text);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      current = undefined;
      const ending = signal === null ? '' : `\n(ended by ${signal})\n`;
      resolve({ code, output: output + ending });
    });
  });
}

/** A check that is one test: it ends with 0 or it failed, and then its output is shown. */
function check(script: string): () => Promise<Counts> {
  return async () => {
    const { code, output } = await run(process.execPath, [join(root, script)]);
    if (code !== 0) console.log(output);
    return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
  };
}

function nodeTests(patterns: readonly string[], concurrency: number): () => Promise<Counts> {
  return async () => {
    const files = patterns.flatMap((pattern) => globSync(pattern, { cwd: root })).sort();
    if (files.length === 0) return { passed: 0, failed: 0, skipped: 0 };
    const countsFile = join(scratch, 'counts.json');
    rmSync(countsFile, { force: true });
    const flags = [
      '--test',
      `--test-reporter=${join(root, 'scripts/test-reporter.ts')}`,
      `--test-concurrency=${concurrency}`,
      '--test-timeout=1200000',
    ];
    const { code } = await run(process.execPath, [...flags, ...files], {
      stream: true,
      env: { ...environment, NEREID_TEST_COUNTS: countsFile },
    });
    if (!existsSync(countsFile)) {
      console.log(`node --test ended with ${code} and gave no counts`);
      return { passed: 0, failed: 1, skipped: 0 };
    }
    return JSON.parse(readFileSync(countsFile, 'utf8')) as Counts;
  };
}

/** The examples import the package by its name, which leads to dist/. */
async function endToEnd(): Promise<Counts> {
  const { code, output } = await run(process.execPath, ['scripts/build.mjs']);
  if (code !== 0) {
    console.log(output);
    return { passed: 0, failed: 1, skipped: 0 };
  }
  return nodeTests(['test/e2e/**/*.test.ts', 'docs/examples/**/*.test.ts'], 1)();
}

async function conformance(): Promise<Counts> {
  const { code, output } = await run(process.execPath, ['test/conformance/run.ts'], {
    stream: true,
  });
  const last = output.trimEnd().split('\n').at(-1) ?? '';
  const [, passed, failed, skipped] =
    /(\d+) passed, (\d+) failed(?:, (\d+) skipped)?/.exec(last) ?? [];
  if (passed === undefined) return { passed: 0, failed: 1, skipped: 0 };
  const counts = { passed: Number(passed), failed: Number(failed), skipped: Number(skipped ?? 0) };
  // It ended badly without counting a failure.
  return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

/** A GoogleTest executable with its arguments and `NAME=value` settings. */
interface GoogleTest {
  readonly name: string;
  readonly command: readonly string[];
  readonly settings: readonly string[];
}

/** The tests that the build in `folder` knows; those of rooms long gone do not count. */
async function googleTests(folder: string): Promise<readonly GoogleTest[]> {
  const { output } = await run('ctest', ['--test-dir', folder, '--show-only=json-v1']);
  const { tests } = JSON.parse(output.slice(output.indexOf('{'))) as {
    tests: readonly {
      readonly name: string;
      readonly command?: readonly string[];
      readonly properties?: readonly { readonly name: string; readonly value: unknown }[];
    }[];
  };
  return tests.flatMap(({ name, command, properties }) => {
    const settings = properties?.find((property) => property.name === 'ENVIRONMENT')?.value ?? [];
    return command === undefined ? [] : [{ name, command, settings: settings as string[] }];
  });
}

function native(sanitize: 'off' | 'address' | 'thread'): () => Promise<Counts> {
  return async () => {
    const total = { passed: 0, failed: 0, skipped: 0 };
    for (const test of await googleTests(buildFolder(sanitize))) {
      const counts = await googleTest(test);
      total.passed += counts.passed;
      total.failed += counts.failed;
      total.skipped += counts.skipped;
    }
    return total;
  };
}

async function googleTest({ name, command, settings }: GoogleTest): Promise<Counts> {
  const resultFile = join(scratch, 'gtest.json');
  rmSync(resultFile, { force: true });
  const [file = '', ...args] = command;
  const env = {
    ...environment,
    ...Object.fromEntries(settings.map((setting) => setting.split('=', 2))),
    ASAN_OPTIONS:
      'detect_leaks=1:strict_string_checks=1:allocator_may_return_null=1:detect_stack_use_after_return=1',
    UBSAN_OPTIONS: 'print_stacktrace=1',
    TSAN_OPTIONS: 'second_deadlock_stack=1',
  };
  const { code, output } = await run(
    file,
    [...args, `--gtest_output=json:${resultFile}`, '--gtest_color=no'],
    {
      env,
      timeoutMs: 600_000,
    },
  );
  const counts = existsSync(resultFile)
    ? readGoogleResult(resultFile)
    : { passed: 0, failed: 0, skipped: 0 };
  // A crash or a sanitizer's report leaves fewer failures than it should, or none.
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  if (counts.passed + counts.failed + counts.skipped === 0) counts.failed = 1;
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
  console.log(
    `  ${counts.failed === 0 ? 'ok    ' : 'FAILED'} ${name} (${counts.passed} passed${skipped})`,
  );
  if (counts.failed > 0) console.log(withoutPassed(output));
  return counts;
}

function readGoogleResult(file: string): { passed: number; failed: number; skipped: number } {
  const result = JSON.parse(readFileSync(file, 'utf8')) as {
    testsuites: readonly {
      testsuite: readonly { result: string; failures?: readonly unknown[] }[];
    }[];
  };
  const tests = result.testsuites.flatMap(({ testsuite }) => testsuite);
  const failed = tests.filter(({ failures }) => failures !== undefined).length;
  const skipped = tests.filter(
    (one) => one.result === 'SKIPPED' && one.failures === undefined,
  ).length;
  return { passed: tests.length - failed - skipped, failed, skipped };
}

function withoutPassed(output: string): string {
  return output
    .split('\n')
    .filter((line) => !/^\[( RUN {6}| {7}OK |-{10}|={10})\]/.test(line))
    .join('\n');
}

const SUITE_RUNS: Readonly<Record<string, readonly Suite[]>> = {
  types: [{ name: 'types', run: check('scripts/typecheck.ts') }],
  lint: [{ name: 'lint', run: check('scripts/lint.ts') }],
  layers: [{ name: 'layers', run: check('scripts/lint-layers.ts') }],
  docs: [{ name: 'docs', run: check('scripts/docs-check.ts') }],
  native: [{ name: 'native', run: native('off') }],
  unit: [
    {
      name: 'unit',
      run: nodeTests(
        [
          'src/**/*.test.ts',
          'packages/*/src/*.test.ts',
          'scripts/**/*.test.ts',
          'bench/**/*.test.ts',
        ],
        2,
      ),
    },
  ],
  e2e: [{ name: 'e2e', run: endToEnd }],
  conformance: [{ name: 'conformance', run: conformance }],
  packaging: [{ name: 'packaging', run: nodeTests(['test/packaging/**/*.test.ts'], 1) }],
  kserve: [{ name: 'kserve', run: nodeTests(['test/kserve/**/*.test.ts'], 1) }],
  clouds: [{ name: 'clouds', run: nodeTests(['test/clouds/**/*.test.ts'], 1) }],
  minio: [{ name: 'minio', run: nodeTests(['test/minio/**/*.test.ts'], 1) }],
  sanitize: [
    { name: 'native under address and undefined-behaviour sanitizers', run: native('address') },
    { name: 'native under the thread sanitizer', run: native('thread') },
  ],
};

for (const [signal, code] of [
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const) {
  process.on(signal, () => {
    current?.kill(signal);
    rmSync(scratch, { recursive: true, force: true });
    process.exit(code);
  });
}

if (choice.complaint !== undefined) {
  console.error(choice.complaint);
  process.exitCode = 1;
} else {
  const suites = choice.run.flatMap(({ name }) => SUITE_RUNS[name] ?? []);
  process.exitCode = await runSuites(suites, choice.leftOut, (line) => console.log(line));
}
rmSync(scratch, { recursive: true, force: true });
