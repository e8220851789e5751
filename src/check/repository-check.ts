// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { ServeError } from '../base/status.ts';
import { readsModelFile } from '../lifecycle/loader.ts';
import { LocalSource } from '../repository/local-source.ts';
import { DUPLICATE_REASON } from '../repository/scan.ts';
import type { ModelFolder } from '../repository/source.ts';
import { type Members, RepositoryMembers } from './ensemble-check.ts';
import { type Finding, finding } from './finding.ts';
import { checkModel } from './model-check.ts';
import type { CheckTools } from './version-check.ts';

/** Models that are read at a time. */
const PARALLEL = 8;

/** What a check found. */
export interface CheckReport {
  readonly repositories: readonly string[];
  /** models that were looked at */
  readonly models: number;
  /** by repository, then model, then place */
  readonly findings: readonly Finding[];
}

/** Flags of the server that change what it reads. */
export interface CheckOptions {
  /** `--model-config-name`; empty = none */
  readonly configName?: string;
  /** `--model-namespacing`: repositories may hold models of the same name */
  readonly namespaces?: boolean;
}

interface Listed {
  readonly repository: string;
  readonly source: LocalSource;
  readonly names: readonly string[];
}

/**
 * Checks every model of every repository, as a server that serves all of them would read them.
 * @param repositories folders, as the caller named them; one that is named twice is checked once
 */
export async function checkRepositories(
  repositories: readonly string[],
  tools: Pick<CheckTools, 'loader'>,
  { configName = '', namespaces = false }: CheckOptions = {},
): Promise<CheckReport> {
  const unread = new Map<string, number>();
  const all: CheckTools = {
    loader: tools.loader,
    unread: (reason) => unread.set(reason, (unread.get(reason) ?? 0) + 1),
    backendProblem: backendProblems(tools),
  };
  const findings: Finding[] = [];
  const listed: Listed[] = [];
  const each = distinct(repositories);
  for (const repository of each) {
    const source = new LocalSource(repository, configName);
    try {
      listed.push({ repository, source, names: await source.list() });
    } catch (thrown) {
      findings.push(ofRepository(repository, 'unreadable', ServeError.from(thrown).message));
    }
  }
  const names = new Set(listed.flatMap((one) => one.names));
  const members = new RepositoryMembers(listed, all);
  let models = 0;
  for (const one of listed) {
    const told = aboutRepository(one);
    if (told !== undefined) findings.push(told);
    if (told?.severity === 'error') continue;
    models += one.names.length;
    const checked = await eachOf(one.names, (name) =>
      checkOne(one, name, namespaces ? [] : listed, names, members, all),
    );
    findings.push(...checked.flat());
  }
  for (const [reason, count] of unread)
    findings.push({
      ...ofRepository(
        listed.map(({ repository }) => repository).join(', '),
        'model-file-unread',
        `${reason}; the files of ${count} model versions were not read, so what they say was not compared`,
      ),
      severity: 'warning',
    });
  return { repositories: each, models, findings };
}

/** @param listed where the name must not be another time */
async function checkOne(
  { repository, source }: Listed,
  name: string,
  listed: readonly Listed[],
  names: ReadonlySet<string>,
  members: Members,
  tools: CheckTools,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const about = {
    severity: 'error',
    repository,
    model: name,
    file: join(repository, name),
  } as const;
  const others = listed.filter((one) => one.source !== source && one.names.includes(name));
  if (others.length > 0)
    findings.push(
      finding({
        ...about,
        code: 'duplicate-model',
        message: DUPLICATE_REASON,
        notes: others.map((one) => `'${join(one.repository, name)}' is another`),
      }),
    );
  let folder: ModelFolder | undefined;
  try {
    folder = await source.read(name);
  } catch (thrown) {
    const message = ServeError.from(thrown).message;
    return [...findings, finding({ ...about, code: 'unreadable', message })];
  }
  if (folder === undefined) return findings;
  return [...findings, ...(await checkModel({ repository, folder, names, members }, tools))];
}

function aboutRepository({ repository, names }: Listed): Finding | undefined {
  if (existsSync(join(repository, 'config.pbtxt')))
    return ofRepository(
      repository,
      'not-a-repository',
      `this is the folder of a model; expected the repository that holds it, '${join(repository, '..')}'`,
    );
  if (names.length > 0) return undefined;
  const message = 'the repository holds no model; expected a folder for each model';
  return { ...ofRepository(repository, 'empty-repository', message), severity: 'warning' };
}

function ofRepository(repository: string, code: Finding['code'], message: string): Finding {
  return finding({ severity: 'error', code, repository, model: null, file: repository, message });
}

/** Asks the engine about each backend once. */
function backendProblems({ loader }: Pick<CheckTools, 'loader'>): CheckTools['backendProblem'] {
  const known = new Map<string, Promise<string | undefined>>();
  const ask = async (backend: string): Promise<string | undefined> => {
    try {
      await loader.engine.inspect(backend, '');
      return undefined;
    } catch (thrown) {
      const { message } = ServeError.from(thrown);
      return message.startsWith('unable to find backend library') ? message : undefined;
    }
  };
  return async (backend) => {
    // Those with a model file are asked with that file.
    if (backend === '' || readsModelFile(backend)) return undefined;
    const answer = known.get(backend) ?? ask(backend);
    known.set(backend, answer);
    return answer;
  };
}

function distinct(repositories: readonly string[]): string[] {
  const seen = new Map<string, string>();
  for (const one of repositories) {
    const path = realPath(one);
    if (!seen.has(path)) seen.set(path, one);
  }
  return [...seen.values()];
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** Runs some at a time; results in the order of the items. */
async function eachOf<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  return results;
}
