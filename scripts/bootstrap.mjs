// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Makes a fresh clone ready, and is done in milliseconds when it is. Plain JavaScript for Node 20, no packages.
 *
 *   node scripts/bootstrap.mjs --for=PURPOSE [arguments of the program]
 *
 * PURPOSE: node (Node 24 only), tools (and the packages), build (and the addon), start (and ONNX Runtime), test (what
 * the suites chosen by --only and --without need). Called by scripts/run.sh, which holds the lock of the clone.
 * Order: everything that is missing on the machine is named before any work; then only the steps whose inputs changed.
 * Writes .nereid/env for run.sh. Outside the clone only the package managers' caches and $XDG_CACHE_HOME/nereid change.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { addonFile, buildFolder, buildNative } from './build-native.mjs';
import {
  buildFakeGcs,
  buildMinio,
  findAzurite,
  findFakeGcs,
  findMinio,
  installAzurite,
} from './lib/clouds.mjs';
import { explainSystemError, Failure } from './lib/failure.mjs';
import { findNode24, installNode24 } from './lib/node24.mjs';
import { findNpm, isInstalled, npmCi } from './lib/npm.mjs';
import { cacheFolder, root, stateFolder } from './lib/paths.mjs';
import { findPython, installPython } from './lib/python.mjs';
import { requireTools } from './lib/requirements.mjs';
import { runTool, stopTools } from './lib/run.mjs';
import { say, sayStep } from './lib/say.mjs';
import { hashOf, Stamps, writeWhole } from './lib/stamp.mjs';
import { chooseSuites } from './lib/suites.mjs';

const stamps = new Stamps(join(stateFolder, 'stamps'));
const NATIVE_INPUTS = [
  'CMakeLists.txt',
  'cmake',
  'native',
  'package-lock.json',
  'scripts/build-native.mjs',
];
const KSERVE_REQUIREMENTS = ['test/kserve/requirements.txt'];
const CLOUDS_REQUIREMENTS = ['test/clouds/requirements.txt'];
const BUILD_TOOLS = ['compiler', 'cmake', 'make'];

function purposeSteps(purpose, argv) {
  const fixed = {
    node: [],
    tools: ['packages'],
    build: ['packages', 'native'],
    start: ['packages', 'native', 'onnxruntime'],
  }[purpose];
  if (fixed !== undefined) return { needs: fixed, withoutTriton: false };
  if (purpose !== 'test') throw new Failure(`--for=${purpose} is not a purpose of the set-up.`);
  const { run, withoutCounterparts, complaint } = chooseSuites(argv, process.env);
  if (complaint !== undefined) throw new Failure(complaint);
  return {
    needs: run.flatMap(({ needs }) => needs),
    withoutTriton: withoutCounterparts.includes('triton'),
  };
}

/** Every step in working order: what it needs on the machine, whether it is done, how it is done. */
function planSteps(needs, withoutTriton) {
  const wants = (name) => needs.includes(name);
  const nativeHash = (accept) =>
    hashOf(root, NATIVE_INPUTS, [process.arch, process.env.CXX ?? ''], accept);
  const addonHash = nativeHash((path) => !path.endsWith('_test.cc'));
  const steps = [];
  if (findNode24() === undefined) {
    steps.push({ label: 'installing Node 24', tools: [], run: installNode24 });
  }
  const needsPackages = ['packages', 'native', 'nativeTests', 'sanitizers', 'onnxruntime'].some(
    wants,
  );
  if (needsPackages && !isInstalled(root)) {
    steps.push({
      label: 'installing the npm packages',
      tools: [],
      run: () => npmCi('packages', 'Installing the npm packages', requireNode24(), root, 250),
    });
  }
  const native = (name, hash, outputs, options) => {
    if (stamps.isFresh(name, hash, outputs)) return;
    steps.push({
      label: `building the native ${name === 'addon' ? 'addon' : `code (${name})`}`,
      tools: options.tests ? [...BUILD_TOOLS, 'googletest'] : BUILD_TOOLS,
      run: async (progress) => {
        stamps.clear(name);
        await buildNative({ ...options, onProgress: progress });
        stamps.write(name, hash);
        // A build with tests has built the addon too.
        if (name === 'tests') stamps.write('addon', addonHash);
      },
    });
  };
  if (wants('nativeTests')) {
    native('tests', nativeHash(), [addonFile, join(buildFolder(), 'tests')], { tests: true });
  } else if (wants('native')) {
    native('addon', addonHash, [addonFile], {});
  }
  if (wants('sanitizers')) {
    for (const sanitize of ['address', 'thread']) {
      native(sanitize, nativeHash(), [join(buildFolder(sanitize), 'tests')], {
        tests: true,
        sanitize,
      });
    }
  }
  if (wants('onnxruntime') && !hasOnnxRuntime()) {
    steps.push({
      label: 'fetching ONNX Runtime',
      tools: [],
      run: () =>
        runTool(
          'onnxruntime',
          'Fetching ONNX Runtime',
          requireNode24(),
          ['scripts/setup-onnxruntime.ts'],
          {
            env: { ...process.env, npm_execpath: findNpm() },
            sentenceIn: /^nereid setup: (.*)$/m,
          },
        ),
    });
  }
  const requirements = pythonRequirements(withoutTriton);
  if (wants('python') && findPython(requirements) === undefined) {
    steps.push({
      label: 'installing the Python packages of the tests',
      tools: ['python'],
      run: () => installPython(requirements),
    });
  }
  if (wants('kserve') && findPython(KSERVE_REQUIREMENTS) === undefined) {
    steps.push({
      label: "installing KServe's Python client",
      tools: ['python'],
      run: () => installPython(KSERVE_REQUIREMENTS),
    });
  }
  if (wants('clouds') && findPython(CLOUDS_REQUIREMENTS) === undefined) {
    steps.push({
      label: 'installing the S3 server of the tests',
      tools: ['python'],
      run: () => installPython(CLOUDS_REQUIREMENTS),
    });
  }
  if (wants('clouds') && findFakeGcs() === undefined) {
    steps.push({ label: 'building the GCS server of the tests', tools: ['go'], run: buildFakeGcs });
  }
  if (wants('clouds') && findAzurite() === undefined) {
    steps.push({
      label: 'installing the Azure server of the tests',
      tools: [],
      run: () => installAzurite(requireNode24()),
    });
  }
  if (wants('minio') && findMinio() === undefined) {
    steps.push({ label: 'building MinIO', tools: ['newerGo'], run: buildMinio });
  }
  return steps;
}

function pythonRequirements(withoutTriton) {
  return ['test/requirements.txt', ...(withoutTriton ? [] : ['test/requirements-triton.txt'])];
}

function requireNode24() {
  const node = findNode24();
  if (node === undefined)
    throw new Failure('Node 24 is not where it was just installed: run the same command again.');
  return node;
}

/** The file appears in one rename (src/setup/onnxruntime.ts), so that being there is being whole. */
function hasOnnxRuntime() {
  if (process.env.NEREID_ONNXRUNTIME) return true;
  const folder = join(cacheFolder(), 'onnxruntime');
  const version = '1.30.0';
  return existsSync(join(folder, `${version}-linux-${process.arch}`, 'libonnxruntime.so.1'));
}

function writeEnvironment(needs, withoutTriton) {
  const quote = (value) => `'${value.replaceAll("'", `'\\''`)}'`;
  const variables = {
    NODE24: requireNode24(),
    // Compiled code and stripped types of the last run: a second start need not do either again.
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(stateFolder, 'compile-cache'),
    NEREID_SYSTEM_NODE: process.execPath,
  };
  if (needs.includes('python')) {
    variables.NEREID_TEST_PYTHON = findPython(pythonRequirements(withoutTriton)) ?? '';
  }
  if (needs.includes('kserve')) {
    variables.NEREID_KSERVE_PYTHON = findPython(KSERVE_REQUIREMENTS) ?? '';
  }
  if (needs.includes('clouds')) {
    variables.NEREID_CLOUDS_PYTHON = findPython(CLOUDS_REQUIREMENTS) ?? '';
    variables.NEREID_FAKE_GCS = findFakeGcs() ?? '';
    variables.NEREID_AZURITE = findAzurite() ?? '';
  }
  if (needs.includes('minio')) variables.NEREID_MINIO = findMinio() ?? '';
  const lines = Object.entries(variables).map(
    ([name, value]) => `${name}=${quote(value)}; export ${name}\n`,
  );
  writeWhole(join(stateFolder, 'env'), lines.join(''));
}

async function main() {
  const purpose =
    process.argv.find((word) => word.startsWith('--for='))?.slice('--for='.length) ?? '';
  // run.sh passes: the file that Node 24 will run, then its arguments.
  const argv = process.argv.slice(process.argv.findIndex((word) => word.startsWith('--for=')) + 2);
  const { needs, withoutTriton } = purposeSteps(purpose, argv);
  const steps = planSteps(needs, withoutTriton);
  requireTools(['flock', ...steps.flatMap(({ tools }) => tools)]);
  for (const [index, { label, run }] of steps.entries()) {
    await sayStep(`[${index + 1}/${steps.length}] ${label}`, run);
  }
  writeEnvironment(needs, withoutTriton);
}

for (const [signal, code] of [
  ['SIGTERM', 143],
  ['SIGINT', 130],
  ['SIGHUP', 129],
]) {
  process.on(signal, () => {
    stopTools();
    process.exit(code);
  });
}

try {
  await main();
} catch (error) {
  const explained = explainSystemError(error);
  if (!(explained instanceof Failure)) throw explained;
  for (const line of explained.message.split('\n')) say(line);
  process.exitCode = 1;
}
