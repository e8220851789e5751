// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { ServeError } from '../base/status.ts';
import { type WiringRemedy, wireEnsemble, wiringProblems } from '../config/ensemble-wiring.ts';
import type { EnsembleStep, ModelConfig } from '../config/model-config.ts';
import type { TextEdit } from '../config/pbtxt-remedy.ts';
import { didYouMean } from '../config/suggest.ts';
import { checkCycles, membersOf } from '../lifecycle/ensembles.ts';
import type { ModelFolder } from '../repository/source.ts';
import { chosenVersions } from './chosen-versions.ts';
import type { ConfigText, TextProblem } from './config-text.ts';
import { Draft } from './draft.ts';
import { UnfetchedModel, withFiles } from './fetched-files.ts';
import { configTensor } from './tensor-text.ts';
import { type CheckTools, completeVersion } from './version-check.ts';

/** A model as the step of an ensemble meets it. */
export interface Member {
  /** ascending */
  readonly versions: readonly number[];
  /** complete, of the newest version */
  readonly config: ModelConfig;
}

export interface Members {
  /**
   * @param repository of the ensemble: where two hold the name, its own is meant
   * @returns undefined for a model that is not there or cannot be read
   */
  find(name: string, repository: string): Promise<Member | undefined>;
  /** Whether a repository holds the model. */
  has(name: string): boolean;
  /** Whether a model that a repository holds would serve. */
  serves(name: string, repository: string): Promise<boolean>;
}

interface Repository {
  readonly repository: string;
  readonly source: { read(name: string): Promise<ModelFolder | undefined> };
  readonly names: readonly string[];
}

/** Reads each member once. */
export class RepositoryMembers implements Members {
  readonly #repositories: readonly Repository[];
  readonly #tools: CheckTools;
  readonly #readConfig: (folder: ModelFolder) => ConfigText;
  readonly #isWell: (repository: string, name: string) => Promise<boolean>;
  readonly #known = new Map<string, Promise<Member | undefined>>();

  /** @param isWell tells whether a model has no errors */
  constructor(
    repositories: readonly Repository[],
    tools: CheckTools,
    readConfig: (folder: ModelFolder) => ConfigText,
    isWell: (repository: string, name: string) => Promise<boolean>,
  ) {
    this.#readConfig = readConfig;
    this.#repositories = repositories;
    this.#tools = tools;
    this.#isWell = isWell;
  }

  has(name: string): boolean {
    return this.#repositories.some(({ names }) => names.includes(name));
  }

  async serves(name: string, repository: string): Promise<boolean> {
    const holder = this.#holder(name, repository);
    return holder !== undefined && this.#isWell(holder.repository, name);
  }

  find(name: string, repository: string): Promise<Member | undefined> {
    const holder = this.#holder(name, repository);
    if (holder === undefined) return Promise.resolve(undefined);
    const key = JSON.stringify([holder.repository, name]);
    const known = this.#known.get(key) ?? this.#read(holder, name);
    this.#known.set(key, known);
    return known;
  }

  #holder(name: string, repository: string): Repository | undefined {
    const holders = this.#repositories.filter(({ names }) => names.includes(name));
    return holders.find((one) => one.repository === repository) ?? holders[0];
  }

  async #read({ source }: Repository, name: string): Promise<Member | undefined> {
    const folder = await source.read(name).catch(() => undefined);
    if (folder === undefined || folder.versions.length === 0) return undefined;
    const text = this.#readConfig(folder);
    if (text.config === undefined) return undefined;
    const { versions } = chosenVersions(folder, text.config, text);
    const newest = versions.at(-1);
    if (newest === undefined) return undefined;
    const written = text.config;
    const config = await withFiles(folder, [newest], (local) =>
      completeVersion(local, newest, text, written, this.#tools),
    ).catch((thrown: unknown) => {
      // The model's own check tells.
      if (thrown instanceof UnfetchedModel) return undefined;
      throw thrown;
    });
    if (config === undefined) return undefined;
    return { versions: versions.map(({ version }) => version), config };
  }
}

/** What is wrong between an ensemble and the models of its steps; nothing for another model. */
export async function ensembleProblems(
  repository: string,
  config: ModelConfig,
  text: ConfigText,
  members: Members,
): Promise<TextProblem[]> {
  if (config.ensemble_scheduling === undefined) return [];
  const circle = await circleOf(repository, config, members);
  if (circle !== undefined)
    return [{ code: 'ensemble-wiring', field: 'ensemble_scheduling', message: circle }];
  const found = new Map<string, Member>();
  for (const name of membersOf(config)) {
    const member = await members.find(name, repository);
    if (member === undefined) continue;
    const wired = await wireMember(repository, member.config, members);
    found.set(name, { ...member, config: wired });
  }
  const memberOf = ({ model_name: name }: EnsembleStep): ModelConfig | undefined =>
    found.get(name)?.config;
  const draft = new Draft(text.text, () => text.scan);
  const problems: TextProblem[] = [];
  for (const { path, text: message, remedy } of wiringProblems(config, memberOf)) {
    const edits = editsOf(remedy, path, text, draft);
    problems.push({
      code: 'ensemble-wiring',
      field: path,
      message,
      notes: notesOn(path, config, memberOf),
      edits: edits && text.inFile(edits),
    });
  }
  return [
    ...problems,
    ...versionProblems(config, found),
    ...(await brokenMembers(repository, config, members)),
  ];
}

/** Steps whose model is there and would not serve: its own errors say why. */
async function brokenMembers(
  repository: string,
  config: ModelConfig,
  members: Members,
): Promise<TextProblem[]> {
  const problems: TextProblem[] = [];
  for (const [index, { model_name: name }] of (config.ensemble_scheduling?.step ?? []).entries()) {
    if (!members.has(name) || (await members.serves(name, repository))) continue;
    problems.push({
      code: 'ensemble-wiring',
      field: `ensemble_scheduling.step[${index}].model_name`,
      message: `ensemble '${config.name}' depends on '${name}' which has no loaded version`,
      notes: [`the errors of '${name}' say why`],
    });
  }
  return problems;
}

/** A member that is an ensemble itself is decoupled when one of its own is. */
async function wireMember(
  repository: string,
  config: ModelConfig,
  members: Members,
): Promise<ModelConfig> {
  const wired = new Map<string, ModelConfig>();
  for (const name of membersOf(config)) {
    const member = await members.find(name, repository);
    if (member === undefined) return config;
    wired.set(name, await wireMember(repository, member.config, members));
  }
  if (wired.size === 0) return config;
  try {
    return wireEnsemble(config, ({ model_name: name }) => wired.get(name) ?? config);
  } catch {
    return config;
  }
}

async function circleOf(
  repository: string,
  config: ModelConfig,
  members: Members,
): Promise<string | undefined> {
  try {
    await checkCycles(config, async (name) => (await members.find(name, repository))?.config);
    return undefined;
  } catch (thrown) {
    return ServeError.from(thrown).message;
  }
}

function editsOf(
  remedy: WiringRemedy | undefined,
  path: string,
  text: ConfigText,
  draft: Draft,
): readonly TextEdit[] | undefined {
  if (remedy === undefined) return undefined;
  if ('field' in remedy) return draft.set(remedy.field, remedy.value);
  const [only] = remedy.known;
  const meant = remedy.known.length === 1 ? only : didYouMean(remedy.key, remedy.known);
  const at = text.scan.offsets.get(path);
  if (meant === undefined || at === undefined) return undefined;
  // An entry of a map: its key is written first, or behind its value.
  const entry = /\bkey\s*:?\s*("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')/g;
  entry.lastIndex = at;
  const written = entry.exec(text.text);
  const quoted = written?.[1];
  if (written === null || quoted?.slice(1, -1) !== remedy.key) return undefined;
  const end = written.index + written[0].length;
  return [{ start: end - quoted.length, end, text: JSON.stringify(meant) }];
}

/** What the model of the step has. */
function notesOn(
  path: string,
  config: ModelConfig,
  memberOf: (step: EnsembleStep) => ModelConfig | undefined,
): string[] {
  const [, index, kind] = /step\[(\d+)\](?:\.(input|output)_map)?/.exec(path) ?? [];
  const step = config.ensemble_scheduling?.step[Number(index ?? -1)];
  const member = step === undefined ? undefined : memberOf(step);
  if (step === undefined || member === undefined) return [];
  const batches = member.max_batch_size > 0;
  const kinds = kind === 'output' ? (['output'] as const) : (['input'] as const);
  return kinds.flatMap((one) =>
    member[one].map(
      (tensor) => `model '${step.model_name}' has ${configTensor(one, tensor, batches)}`,
    ),
  );
}

function versionProblems(config: ModelConfig, found: ReadonlyMap<string, Member>): TextProblem[] {
  const problems: TextProblem[] = [];
  for (const [index, step] of (config.ensemble_scheduling?.step ?? []).entries()) {
    const member = found.get(step.model_name);
    const version = Number(step.model_version);
    if (member === undefined || version === -1 || member.versions.includes(version)) continue;
    problems.push({
      code: 'ensemble-wiring',
      field: `ensemble_scheduling.step[${index}].model_version`,
      message: `ensemble '${config.name}' depends on '${step.model_name}' whose required version ${version} is not loaded.`,
      notes: [`model '${step.model_name}' serves ${member.versions.join(', ')}; -1 is the newest`],
    });
  }
  return problems;
}
