// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { throwIfAborted } from '../base/abort.ts';
import { ServeError } from '../base/status.ts';

/**
 * Lets the user's npm put the tarball of one package into `folder`. Scripts are off; nothing is installed.
 * @param spec `name@version`
 * @returns path of the tarball
 * @throws ServeError Unavailable with one sentence for: npm missing, registry not reachable, not found, disk full
 */
export async function packWithNpm(
  spec: string,
  folder: string,
  env: NodeJS.ProcessEnv,
  signal?: AbortSignal,
): Promise<string> {
  throwIfAborted(signal);
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-update-notifier'];
  const args = ['pack', spec, '--pack-destination', folder, '--loglevel=error', ...options];
  const { exitCode, output } = await run(args, env, signal);
  throwIfAborted(signal);
  if (exitCode !== 0)
    throw new ServeError('Unavailable', sentenceFor(spec, output), { cause: output });
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'));
  if (tarball === undefined) {
    throw new ServeError('Unavailable', `npm pack ${spec} ended well but left no tarball.`, {
      cause: output,
    });
  }
  return join(folder, tarball);
}

interface Ended {
  readonly exitCode: number | null;
  readonly output: string;
}

function run(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  signal: AbortSignal | undefined,
): Promise<Ended> {
  // Inside `npm start` or an npm script npm says where it is; there may be no `npm` in PATH then.
  const cli = env.npm_execpath;
  const [command, first] =
    cli?.endsWith('npm-cli.js') && existsSync(cli) ? [process.execPath, [cli]] : ['npm', []];
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...first, ...args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(signal === undefined ? {} : { signal }),
    });
    let output = '';
    const keep = (text: Buffer) => {
      output = (output + text.toString()).slice(-20_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') return reject(error);
      reject(
        new ServeError(
          'Unavailable',
          'npm was not found in PATH: install npm, or name a library with --onnxruntime-library=PATH.',
        ),
      );
    });
    child.on('close', (exitCode) => resolve({ exitCode, output }));
  });
}

const CAUSES: readonly (readonly [RegExp, (spec: string, found: string) => string])[] = [
  [
    /ENOSPC|EDQUOT|no space left on device/i,
    (spec) => `The disk became full while npm fetched ${spec}: make room and try again.`,
  ],
  [
    /ENOTCACHED|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ERR_SOCKET_TIMEOUT|EIDLETIMEOUT/,
    (spec, found) =>
      `npm could not reach its registry to fetch ${spec} (${found}): check the network and npm's registry setting, then try again.`,
  ],
  [/EINTEGRITY/, (spec) => `npm received a damaged download of ${spec} (EINTEGRITY): try again.`],
  [/E404|ETARGET/, (spec, found) => `npm's registry does not have ${spec} (${found}).`],
  [
    /E401|E403|ENEEDAUTH/,
    (spec, found) => `npm's registry refused to give ${spec} (${found}): check npm's credentials.`,
  ],
];

function sentenceFor(spec: string, output: string): string {
  for (const [pattern, sentence] of CAUSES) {
    const found = pattern.exec(output);
    if (found !== null) return sentence(spec, found[0]);
  }
  const last = output
    .split('\n')
    .map((line) => line.replace(/^npm (error|ERR!)\s*/, '').trim())
    .find((line) => line !== '' && !line.startsWith('npm warn'));
  return `npm pack ${spec} failed: ${last ?? 'it said nothing'}`;
}
