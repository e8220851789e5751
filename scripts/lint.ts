// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Biome for TypeScript and JSON, and the two SPDX lines on every source file. `--write` formats instead of
 * complaining, the C++ files too where clang-format is installed.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { trackedFiles } from './tracked-files.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const writes = process.argv.includes('--write');

/** Files whose first lines do not carry the two SPDX lines. */
export function filesWithoutSpdx(
  files: readonly string[],
  read: (file: string) => string,
): readonly string[] {
  return files
    .filter((file) =>
      /\.(ts|js|mjs|cc|cu|h|py|sh|proto|cmake|gyp|json5)$|(^|\/)CMakeLists\.txt$/.test(file),
    )
    .filter((file) => {
      const head = read(file).slice(0, 400);
      return (
        !head.includes('SPDX-FileCopyrightText: The Nereid authors') ||
        !head.includes('SPDX-License-Identifier: Apache-2.0')
      );
    });
}

function biome(): boolean {
  const binary = join(root, 'node_modules/@biomejs/biome/bin/biome');
  const args = [
    'check',
    '--colors=off',
    '--diagnostic-level=warn',
    '--max-diagnostics=20',
    ...(writes ? ['--write'] : []),
    root,
  ];
  // Biome's logs and cache would go to the user's cache folder.
  const env = { ...process.env, XDG_CACHE_HOME: join(root, '.nereid/cache') };
  return (
    spawnSync(process.execPath, [binary, ...args], { cwd: root, env, stdio: 'inherit' }).status ===
    0
  );
}

/** Only on request: releases of clang-format differ in what they print, so that it cannot be a check everywhere. */
function clangFormat(files: readonly string[]): void {
  const sources = files.filter(
    (file) => /^(native|bench)\/.*\.(cc|cu|h)$/.test(file) && !file.includes('third_party/'),
  );
  const { error } = spawnSync('clang-format', ['-i', ...sources], { cwd: root, stdio: 'inherit' });
  if (error !== undefined)
    console.error('clang-format was not found: the C++ files are as they were.');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const files = trackedFiles(root);
  const headless = filesWithoutSpdx(files, (file) => readFileSync(join(root, file), 'utf8'));
  for (const file of headless) console.error(`${file}: the two SPDX lines are missing`);
  if (writes) clangFormat(files);
  process.exitCode = biome() && headless.length === 0 ? 0 : 1;
}
