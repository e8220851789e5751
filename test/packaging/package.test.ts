// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What a user of the npm package gets: packed here, installed into an empty folder with npm's defaults and the
 * machine's own Node (not the one that runs this test), served, called, stopped.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findNpm } from '../../scripts/lib/npm.mjs';
import { findOnnxRuntime } from '../../src/setup/onnxruntime.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
const systemNode = process.env['NEREID_SYSTEM_NODE'] ?? process.execPath;
const npm = findNpm();
const root = mkdtempSync(join(tmpdir(), 'nereid-package-'));
const app = join(root, 'app');
const children: ChildProcess[] = [];
after(() => {
  for (const child of children) signalGroup(child, 'SIGKILL');
  rmSync(root, { recursive: true, force: true });
});

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // it has ended
  }
}

const NPX = [join(dirname(npm), 'npx-cli.js'), 'nereid'];
const BIN = ['node_modules/.bin/nereid'];

/** The environment of a user: nothing of the npm that may be running this test, the machine's Node first in PATH. */
function userEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^npm_/i.test(name) && !name.startsWith('NEREID_') && !name.startsWith('NODE_'),
  );
  const path = (process.env['PATH'] ?? '')
    .split(':')
    .filter((one) => !one.includes('node_modules'));
  return { ...Object.fromEntries(kept), PATH: [dirname(systemNode), ...path].join(':') };
}

function runNpm(cwd: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(systemNode, [npm, ...args], {
    cwd,
    encoding: 'utf8',
    env: userEnvironment(),
  });
  assert.equal(status, 0, `npm ${args.join(' ')}\n${stdout}\n${stderr}`);
  return stdout;
}

function tarball(): string {
  const name = readdirSync(root).find((file) => file.endsWith('.tgz'));
  assert.ok(name !== undefined, 'npm pack left no tarball');
  return join(root, name);
}

interface Serving {
  readonly url: string;
  readonly child: ChildProcess;
  readonly log: () => string;
}

/**
 * `nereid serve` on a free port; resolves when it says where it listens.
 * @param starter words before `nereid`'s arguments. A process group of its own: npx keeps a shell in between that does
 *   not pass signals on.
 */
async function serve(
  folder: string,
  starter: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Serving> {
  const repository = 'node_modules/nereid-server/model_repository';
  const ports = ['http', 'grpc', 'metrics'].map((name) => `--${name}-port=0`);
  const args = [...starter, 'serve', `--model-repository=${repository}`, ...ports];
  const child = spawn(systemNode, args, {
    cwd: folder,
    env: { ...userEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  children.push(child);
  let log = '';
  const url = new Promise<string>((resolve, reject) => {
    const look = (bytes: Buffer) => {
      log += bytes.toString();
      const address = /Started HTTPService at ([\w.[\]:]+:\d+)/.exec(log)?.[1];
      if (address !== undefined) resolve(`http://${address}`);
    };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    child.once('close', (code) => reject(new Error(`nereid serve ended with ${code}\n${log}`)));
  });
  return { url: await url, child, log: () => log };
}

async function readDigit(url: string): Promise<string> {
  const ready = async () => (await fetch(`${url}/v2/models/digits/ready`)).status === 200;
  assert.ok(await ready(), 'digits is not ready once the server says it has started');
  const answer = await fetch(`${url}/v2/models/digits/infer`, {
    method: 'POST',
    body: readFileSync(join(project, 'docs/examples/digits/7.json')),
  });
  const text = await answer.text();
  assert.equal(answer.status, 200, text);
  return text;
}

function largestIndex(text: string): number {
  const { outputs } = JSON.parse(text) as { outputs: { data: (number | string)[] }[] };
  const scores = outputs.find(({ data }) => data.length === 10)?.data.map(Number) ?? [];
  return scores.indexOf(Math.max(...scores));
}

describe('the npm package', () => {
  before(() => {
    runNpm(project, 'pack', '--pack-destination', root);
    mkdirSync(app);
    runNpm(app, 'install', tarball());
  });

  it('carries what it runs and nothing of the tests', () => {
    const files = spawnSync('tar', ['-tzf', tarball()], { encoding: 'utf8' }).stdout.split('\n');
    for (const wanted of [
      'bin/nereid',
      'dist/index.js',
      'dist/index.d.ts',
      `prebuilds/linux-${process.arch}/nereid.node`,
      'native/addon/addon.cc',
      'CMakeLists.txt',
      'model_repository/digits/config.pbtxt',
      'scripts/install-native.mjs',
      'LICENSE',
    ]) {
      assert.ok(files.includes(`package/${wanted}`), `${wanted} is missing`);
    }
    const unwanted = files.filter((file) => /_test\.cc$|\.test\.|\/\.nereid\/|\/src\//.test(file));
    assert.deepEqual(unwanted, []);
  });

  it('names both executables', () => {
    assert.deepEqual(
      ['nereid', 'tritonserver'].filter(
        (name) => !existsSync(join(app, 'node_modules/.bin', name)),
      ),
      [],
    );
  });

  it('serves the digits it carries through npx', async () => {
    const { url, child } = await serve(app, NPX);
    assert.equal(largestIndex(await readDigit(url)), 7);
    signalGroup(child, 'SIGTERM');
    await once(child, 'close');
  });

  it('ends with 0 when it is told to, and has written nothing of its own or of ONNX Runtime', async () => {
    const cache = join(root, 'cache');
    mkdirSync(cache);
    const { child, log } = await serve(app, BIN, {
      XDG_CACHE_HOME: cache,
      NEREID_ONNXRUNTIME: findOnnxRuntime(),
    });
    child.kill('SIGTERM');
    const [code] = await once(child, 'close');
    assert.equal(code, 0, log());
    assert.deepEqual(readdirSync(cache), []);
  });

  // Nothing listens on port 2, and fetch does not refuse it as it does port 1.
  const stores = [
    [
      'nereid-s3',
      's3://127.0.0.1:2/bucket',
      { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' },
    ],
    ['nereid-gcs', 'gs://bucket', { STORAGE_EMULATOR_HOST: '127.0.0.1:2' }],
    [
      'nereid-azure',
      'as://account/container',
      { AZURE_STORAGE_CONNECTION_STRING: 'BlobEndpoint=http://127.0.0.1:2/account' },
    ],
  ] as const;
  for (const [name, url, env] of stores) {
    it(`finds ${name} beside it`, () => {
      const packed = join(root, name);
      mkdirSync(packed);
      runNpm(join(project, 'packages', name), 'pack', '--pack-destination', packed);
      const [file = ''] = readdirSync(packed);
      runNpm(app, 'install', join(packed, file));
      const { status, stderr } = spawnSync(
        systemNode,
        [...BIN, 'serve', `--model-repository=${url}`],
        { cwd: app, env: { ...userEnvironment(), ...env }, encoding: 'utf8' },
      );
      assert.equal(status, 1);
      assert.match(
        stderr,
        /cannot list '\w\w:.*cannot be reached or is overloaded \(ECONNREFUSED\)/,
      );
    });
  }

  it('is typed: a strict consumer compiles against it', () => {
    writeFileSync(
      join(app, 'use.ts'),
      "import { createServer, type ObjectStore, ServeError } from 'nereid-server';\nexport const close = (store: ObjectStore): void => store.close();\nexport const serve: typeof createServer = createServer;\nexport const code: ServeError['code'] = 'NotFound';\n",
    );
    const flags = [
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2022',
      '--types',
      'node',
    ];
    const types = ['--typeRoots', join(project, 'node_modules/@types')];
    const tsc = join(project, 'node_modules/typescript/bin/tsc');
    const { status, stdout } = spawnSync(process.execPath, [tsc, ...flags, ...types, 'use.ts'], {
      cwd: app,
      encoding: 'utf8',
    });
    assert.equal(status, 0, stdout);
  });

  it('builds its native sources where no prebuilt addon fits', async () => {
    const installed = join(app, 'node_modules/nereid-server');
    rmSync(join(installed, 'prebuilds'), { recursive: true });
    runNpm(app, 'rebuild', 'nereid-server');
    assert.ok(existsSync(join(installed, 'dist-native/nereid.node')));
    const { url, child } = await serve(app, BIN);
    assert.equal(largestIndex(await readDigit(url)), 7);
    child.kill('SIGTERM');
    await once(child, 'close');
  });
});
