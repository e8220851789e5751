// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { parseArgs } from 'node:util';
import { loadBinding } from '../addon/binding.ts';
import { Log } from '../base/log.ts';
import { ServeError } from '../base/status.ts';
import { defaultOptions } from '../config/options.ts';
import { checkVersion, draftModel } from '../lifecycle/loader.ts';
import { LocalSource } from '../repository/local-source.ts';
import { listModels, readModel } from '../repository/scan.ts';
import { Server } from '../server/server.ts';
import { type Output, stdout, styled } from './terminal.ts';
import { UsageError } from './usage-error.ts';

export const CHECK_HELP = `Usage: nereid check FOLDER …

Reads every model of one or more repositories as the server would, without serving them, and prints every error with
file, line and column. Exit code 0 when all is well, 1 otherwise.

Example:
  nereid check model_repository
`;

/** @returns exit code: 1 when a model has an error */
export async function runCheck(argv: readonly string[], out: Output = stdout): Promise<number> {
  const { positionals } = parseArgs({ args: [...argv], allowPositionals: true, options: {} });
  if (positionals.length === 0) {
    throw new UsageError('nereid check: expected a repository', 'check');
  }
  const sources = positionals.map((path) => new LocalSource(path));
  const models = await listModels(sources);
  // Model files are read by the backends themselves; this server never listens.
  const server = new Server({
    binding: loadBinding(),
    options: { ...defaultOptions('nereid'), ioThreads: 1, allowMetrics: false, setup: 'never' },
    log: new Log(),
  });
  let errors = 0;
  try {
    for (const { name } of models) {
      const problems = await checkModel(server, sources, name);
      errors += problems.length;
      if (problems.length === 0) out.write(`${styled(out, 'green', 'ok')}     ${name}\n`);
      for (const problem of problems) {
        out.write(`${styled(out, 'red', 'error')}  ${name}: ${problem.trim()}\n`);
      }
    }
  } finally {
    await server.close(0);
  }
  out.write(`${models.length} models, ${errors} errors\n`);
  return errors === 0 ? 0 : 1;
}

async function checkModel(
  server: Server,
  sources: readonly LocalSource[],
  name: string,
): Promise<string[]> {
  const problems = new Set<string>();
  try {
    const draft = draftModel(await readModel(sources, name));
    if (draft.versions.length === 0) {
      return ['at least one version must be available under the version policy'];
    }
    for (const version of draft.versions) {
      for (const problem of await checkVersion(draft, version, server.loaderOptions)) {
        problems.add(problem);
      }
    }
  } catch (thrown) {
    problems.add(ServeError.from(thrown).message);
  }
  return [...problems];
}
