// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Builds the addon with cmake and puts it into dist-native/. The one build script behind `npm start`, `npm install`
 * of the published package and binding.gyp. Plain JavaScript: it runs on Node 20 and with no package installed.
 *
 *   node scripts/build-native.mjs [--tests] [--sanitize=address|thread] [--copy-to=FILE]
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { requireSpace } from './lib/failure.mjs';
import { root, stateFolder } from './lib/paths.mjs';
import { findBuildTool, findCompiler, requireTools } from './lib/requirements.mjs';
import { runTool } from './lib/run.mjs';

export const addonFile = join(root, 'dist-native/nereid.node');

/** Where a variant is built. Not under build/, which node-gyp owns and wipes. */
export function buildFolder(sanitize = 'off') {
  return join(stateFolder, 'build', sanitize === 'off' ? 'release' : sanitize);
}

/**
 * @param options tests: build the GoogleTest executables too; sanitize: off, address or thread (tests only, no addon);
 *   onProgress: told "n/m" as the compiler goes
 * @throws Failure with the tools that are missing, or the end of the build's log
 */
export async function buildNative({ tests = false, sanitize = 'off', onProgress } = {}) {
  requireTools(['compiler', 'cmake', 'make']);
  const folder = buildFolder(sanitize);
  requireSpace('The native build', folder, sanitize === 'off' ? 150 : 600);
  const isPlain = sanitize === 'off';
  await configure(folder, tests, sanitize);
  const targets = tests ? [] : ['--target', 'nereid_addon'];
  await runTool(
    `build-${sanitize}`,
    'The native build',
    'cmake',
    ['--build', folder, '--parallel', String(availableParallelism()), ...targets],
    {
      onLine: (line) => {
        const progress = /^\[\s*(\d+\/\d+|\d+%)\]/.exec(line);
        if (progress !== null) onProgress?.(progress[1]);
      },
    },
  );
  if (isPlain) install(join(folder, 'nereid.node'));
}

async function configure(folder, tests, sanitize) {
  const generator = findBuildTool() === 'ninja' ? 'Ninja' : 'Unix Makefiles';
  removeForeign(folder, generator);
  const args = [
    '-S',
    root,
    '-B',
    folder,
    '-G',
    generator,
    `-DCMAKE_CXX_COMPILER=${findCompiler()}`,
  ];
  args.push(`-DNEREID_TESTS=${tests ? 'ON' : 'OFF'}`, `-DNEREID_SANITIZE=${sanitize}`);
  if (sanitize !== 'off') args.push('-DNEREID_ADDON=OFF', '-DCMAKE_BUILD_TYPE=Debug');
  try {
    await runTool(`configure-${sanitize}`, "The native build's configuration", 'cmake', args);
  } catch (error) {
    // A half-written cache would fail the next run in stranger words.
    rmSync(join(folder, 'CMakeCache.txt'), { force: true });
    throw error;
  }
}

/** A build folder of another place (a copied clone) or another generator cannot be continued. */
function removeForeign(folder, generator) {
  const cacheFile = join(folder, 'CMakeCache.txt');
  if (!existsSync(cacheFile)) return;
  const cache = readFileSync(cacheFile, 'utf8');
  const isOurs =
    cache.includes(`CMAKE_HOME_DIRECTORY:INTERNAL=${root.replace(/\/$/, '')}\n`) &&
    cache.includes(`CMAKE_GENERATOR:INTERNAL=${generator}\n`);
  if (!isOurs) rmSync(folder, { recursive: true, force: true });
}

/** By rename: a server that runs keeps the file it has mapped. */
function install(built) {
  mkdirSync(join(root, 'dist-native'), { recursive: true });
  const staged = `${addonFile}.${process.pid}`;
  try {
    copyFileSync(built, staged);
    renameSync(staged, addonFile);
  } finally {
    rmSync(staged, { force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      tests: { type: 'boolean', default: false },
      sanitize: { type: 'string', default: 'off' },
      'copy-to': { type: 'string' },
    },
  });
  try {
    await buildNative({ tests: values.tests, sanitize: values.sanitize });
    if (values['copy-to'] !== undefined) {
      mkdirSync(dirname(values['copy-to']), { recursive: true });
      copyFileSync(addonFile, values['copy-to']);
    }
  } catch (error) {
    if (error.name !== 'Failure') throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
