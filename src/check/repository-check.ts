// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { ServeError } from '../base/status.ts';
import { emptyRateLimitOptions, type RateLimitOptions } from '../config/flags/rate-limit.ts';
import { readsModelFile } from '../lifecycle/loader.ts';
import { LocalSource } from '../repository/local-source.ts';
import { checkModelName, DUPLICATE_REASON } from '../repository/scan.ts';
import type { ModelFolder, RepositorySource } from '../repository/source.ts';
import type { ConfigText, JsonOverride } from './config-text.ts';
import { RepositoryMembers } from './ensemble-check.ts';
import { UnfetchedModel } from './fetched-files.ts';
import { type Finding, finding, placeIn } from './finding.ts';
import { checkModel, configOf } from './model-check.ts';
import { noteResources, type Resources, resourceProblems } from './resource-check.ts';
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
  /** by name of the model: what the load API would be given for it */
  readonly overrides?: ReadonlyMap<string, JsonOverride>;
  /** of a repository that is no folder of this machine */
  readonly sources?: ReadonlyMap<string, RepositorySource>;
  /** `--rate-limit` and `--rate-limit-resource` */
  readonly rateLimits?: RateLimitOptions;
}

type GivenTools = Pick<CheckTools, 'loader' | 'build'>;

interface Listed {
  readonly repository: string;
  readonly source: RepositorySource;
  readonly names: readonly string[];
}

/**
 * Checks every model of every repository, as a server that serves all of them would read them.
 * @param repositories folders, as the caller named them; one that is named twice is checked once
 */
export async function checkRepositories(
  repositories: readonly string[],
  tools: GivenTools,
  options: CheckOptions = {},
): Promise<CheckReport> {
  const { configName = '', namespaces = false, overrides = new Map() } = options;
  const { rateLimits = emptyRateLimitOptions, sources } = options;
  const unread = new Map<string, number>();
  const all: CheckTools = {
    ...tools,
    unread: (reason) => unread.set(reason, (unread.get(reason) ?? 0) + 1),
    backendProblem: backendProblems(tools),
  };
  const findings: Finding[] = [];
  const listed: Listed[] = [];
  const each = distinct(repositories);
  for (const repository of each) {
    const source = sources?.get(repository) ?? new LocalSource(repository, configName);
    try {
      listed.push({ repository, source, names: await source.list() });
    } catch (thrown) {
      findings.push(ofRepository(repository, 'unreadable', ServeError.from(thrown).message));
    }
  }
  const readConfig = (folder: ModelFolder) => configOf(folder, overrides.get(folder.name));
  const resources =
    rateLimits.rateLimit === 'off' ? new Map() : await resourcesOf(listed, readConfig);
  const around = { listed, namespaces, tools: all, rateLimits, resources, overrides, readConfig };
  const check = checker(around);
  for (const [name, { file }] of overrides) {
    if (listed.some(({ names }) => names.includes(name))) continue;
    const message = `no repository holds a model '${name}', which this is the configuration of`;
    findings.push({ ...ofRepository(each.join(', '), 'config-ignored', message), file });
  }
  let models = 0;
  for (const one of listed) {
    const told = aboutRepository(one);
    if (told !== undefined) findings.push(told);
    if (told?.severity === 'error') continue;
    models += one.names.length;
    findings.push(...(await eachOf(one.names, (name) => check(one, name))).flat());
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

interface Surroundings {
  readonly listed: readonly Listed[];
  readonly namespaces: boolean;
  readonly tools: CheckTools;
  readonly rateLimits: RateLimitOptions;
  readonly resources: Resources;
  readonly overrides: ReadonlyMap<string, JsonOverride>;
  readonly readConfig: (folder: ModelFolder) => ConfigText;
}

/** A function that checks a model, each once: ensembles ask for their members. */
function checker(around: Surroundings): (listed: Listed, name: string) => Promise<Finding[]> {
  const { listed, namespaces, tools, rateLimits, resources, overrides, readConfig } = around;
  const names = new Set(listed.flatMap((one) => one.names));
  const done = new Map<string, Promise<Finding[]>>();
  const members = new RepositoryMembers(listed, tools, readConfig, async (repository, name) => {
    const holder = listed.find((one) => one.repository === repository);
    const found = holder === undefined ? [] : await check(holder, name);
    return !found.some(({ severity }) => severity === 'error');
  });
  const check = (one: Listed, name: string): Promise<Finding[]> => {
    const key = JSON.stringify([one.repository, name]);
    const known = done.get(key);
    if (known !== undefined) return known;
    const others = namespaces ? [] : listed.filter((other) => other !== one);
    const asked = checkOne(one, name, others, (folder) =>
      checkModel(
        {
          repository: one.repository,
          folder,
          override: overrides.get(name),
          names,
          members,
          resourceProblems: (config) => resourceProblems(config, rateLimits, resources),
        },
        tools,
      ),
    );
    done.set(key, asked);
    return asked;
  };
  return check;
}

/** What the instances of all models hold, as far as it can be read. */
async function resourcesOf(
  listed: readonly Listed[],
  readConfig: Surroundings['readConfig'],
): Promise<Resources> {
  const resources: Resources = new Map();
  for (const { source, names } of listed) {
    for (const name of names) {
      const folder = await source.read(name).catch(() => undefined);
      const config = folder === undefined ? undefined : readConfig(folder).config;
      if (config !== undefined) noteResources(resources, name, config);
    }
  }
  return resources;
}

/** @param elsewhere where the name must not be another time */
async function checkOne(
  { repository, source }: Listed,
  name: string,
  elsewhere: readonly Listed[],
  check: (folder: ModelFolder) => Promise<Finding[]>,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const about = {
    severity: 'error',
    repository,
    model: name,
    file: placeIn(repository, name),
  } as const;
  const others = elsewhere.filter((one) => one.names.includes(name));
  if (others.length > 0)
    findings.push(
      finding({
        ...about,
        code: 'duplicate-model',
        message: DUPLICATE_REASON,
        notes: others.map((one) => `'${placeIn(one.repository, name)}' is another`),
      }),
    );
  let folder: ModelFolder | undefined;
  try {
    checkModelName(name);
  } catch (thrown) {
    const { message } = ServeError.from(thrown);
    findings.push(finding({ ...about, code: 'model-name', message }));
  }
  try {
    folder = await source.read(name);
  } catch (thrown) {
    const message = ServeError.from(thrown).message;
    return [...findings, finding({ ...about, code: 'unreadable', message })];
  }
  if (folder === undefined) return findings;
  try {
    return [...findings, ...(await check(folder))];
  } catch (thrown) {
    if (!(thrown instanceof UnfetchedModel)) throw thrown;
    return [...findings, finding({ ...about, code: 'unreadable', message: thrown.message })];
  }
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
