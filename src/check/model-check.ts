// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { readdir } from 'node:fs/promises';
import { ServeError } from '../base/status.ts';
import type { ModelConfig } from '../config/model-config.ts';
import { fieldsWithoutEffect } from '../config/no-effect.ts';
import { didYouMean } from '../config/suggest.ts';
import { draftModel } from '../lifecycle/loader.ts';
import { checkOverrideCode } from '../lifecycle/override.ts';
import type { ModelFolder } from '../repository/source.ts';
import { versionOfFolder } from '../repository/version-policy.ts';
import { chosenVersions } from './chosen-versions.ts';
import { ConfigText, type JsonOverride, type TextProblem } from './config-text.ts';
import { Draft } from './draft.ts';
import { ensembleProblems, type Members } from './ensemble-check.ts';
import { withFiles } from './fetched-files.ts';
import { type Finding, type FindingCode, type FindingParts, finding, placeIn } from './finding.ts';
import { type CheckTools, checkVersion } from './version-check.ts';

/** One model to check. */
export interface CheckedModel {
  /** the repository as it was named on the command line */
  readonly repository: string;
  readonly folder: ModelFolder;
  /** taken instead of the folder's configuration */
  readonly override?: JsonOverride | undefined;
  /** names of the models of every repository: members of an ensemble are looked up there */
  readonly names: ReadonlySet<string>;
  /** members of ensembles as they would serve */
  readonly members: Members;
  /** what is wrong with the resources that its instances hold */
  readonly resourceProblems?: (config: ModelConfig) => readonly TextProblem[];
}

/** Everything wrong with one model, in the order of its configuration. */
export async function checkModel(model: CheckedModel, tools: CheckTools): Promise<Finding[]> {
  const { repository, folder, override } = model;
  const path = placeIn(repository, folder.name);
  const parts = { repository, model: folder.name };
  const text = configOf(folder, override);
  const files = await filesOf(path);
  const problems: TextProblem[] = [...text.problems];
  const beside: Finding[] = [];
  const tell = (
    code: FindingCode,
    message: string,
    more: Partial<FindingParts> & { severity?: Finding['severity'] } = {},
  ): void => {
    beside.push(finding({ ...parts, severity: 'error', code, file: path, message, ...more }));
  };
  if (folder.configText === undefined && override === undefined) {
    const [misnamed] = files.filter(isLikeConfig);
    if (misnamed !== undefined)
      tell('config-ignored', `'${misnamed}' is not read: a configuration is called config.pbtxt`, {
        severity: 'warning',
        file: placeIn(path, misnamed),
      });
  }
  for (const name of files.filter(isLikeVersion))
    tell('version-ignored', `'${name}' is no version: a version is a number above 0, such as 1`, {
      severity: 'warning',
      file: placeIn(path, name),
    });
  if (folder.versions.length === 0)
    tell('version-missing', 'no version: at least one version must be available', {
      notes: missingVersionNotes(path, files),
    });
  // What would tell the backend lies in a version's folder.
  const isNews = ({ code, field }: TextProblem): boolean =>
    folder.versions.length > 0 || code !== 'unknown-backend' || field !== '';
  const { config } = text;
  if (config !== undefined) {
    const { versions, problem } = chosenVersions(folder, config, text);
    if (problem !== undefined) problems.push(problem);
    await withFiles(folder, versions, async (local) => {
      for (const version of versions)
        problems.push(...(await checkVersion(local, version, text, config, tools)).filter(isNews));
    });
    problems.push(...memberProblems(config, model.names, text), ...vainFields(config));
    const named = { ...config, name: config.name || folder.name };
    problems.push(...(await ensembleProblems(repository, named, text, model.members)));
    problems.push(...(model.resourceProblems?.(config) ?? []));
  }
  if (override !== undefined) problems.push(...codeProblems(folder, override));
  const file = override?.file ?? placeIn(path, folder.configFile ?? 'config.pbtxt');
  const isThere = override !== undefined || folder.configText !== undefined;
  const placed = text
    .place(unique(problems))
    .map((one) => finding({ ...parts, ...one, file: isThere || one.fix !== null ? file : path }));
  return [...placed.sort(byPlace), ...beside];
}

/** The configuration of a model as it is written. */
export function configOf(folder: ModelFolder, override: JsonOverride | undefined): ConfigText {
  return override === undefined
    ? new ConfigText(folder.configText ?? '')
    : new ConfigText(override.text, 'json');
}

/** A load may not bring other code than the repository has. */
function codeProblems(folder: ModelFolder, { text }: JsonOverride): TextProblem[] {
  try {
    checkOverrideCode(draftModel(folder, text), new Map(), folder);
    return [];
  } catch (thrown) {
    const { code, message } = ServeError.from(thrown);
    // What else is wrong with it is told by the rest of the check.
    return code === 'Unimplemented' ? [{ code: 'invalid-config', field: 'backend', message }] : [];
  }
}

function memberProblems(
  config: ModelConfig,
  names: ReadonlySet<string>,
  text: ConfigText,
): TextProblem[] {
  const problems: TextProblem[] = [];
  const draft = new Draft(text.text, () => text.scan);
  for (const [index, { model_name: name }] of (config.ensemble_scheduling?.step ?? []).entries()) {
    if (name === '' || names.has(name)) continue;
    const field = `ensemble_scheduling.step[${index}].model_name`;
    const meant = didYouMean(name, [...names]);
    const edits = meant === undefined ? undefined : draft.set(field, JSON.stringify(meant));
    problems.push({
      code: 'unknown-member',
      field,
      message:
        `step ${index} asks for model '${name}', which no repository holds` +
        (meant === undefined ? '' : `; did you mean '${meant}'?`),
      edits: edits && text.inFile(edits),
    });
  }
  return problems;
}

function vainFields(config: ModelConfig): TextProblem[] {
  return fieldsWithoutEffect(config).map(({ path, why }) => ({
    severity: 'warning',
    code: 'no-effect',
    field: path,
    message: `has no effect: ${why}`,
  }));
}

/** Every version tells the same of the configuration: once is enough. */
function unique(problems: readonly TextProblem[]): TextProblem[] {
  const seen = new Map(problems.map((one) => [JSON.stringify([one.field, one.message]), one]));
  return [...seen.values()];
}

function byPlace(a: Finding, b: Finding): number {
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}

async function filesOf(path: string): Promise<string[]> {
  return (await readdir(path).catch(() => [])).sort();
}

function isLikeConfig(name: string): boolean {
  return /^config\.\w+$|\.pbtxt$|^config$/i.test(name) && name !== 'config.pbtxt';
}

function isLikeVersion(name: string): boolean {
  return /^(v?\d+|latest)$/i.test(name) && versionOfFolder(name) === undefined;
}

function missingVersionNotes(path: string, files: readonly string[]): string[] {
  const model = files.find((name) => /^model\.\w+$/.test(name));
  const folder = placeIn(path, '1');
  return model === undefined
    ? [`put the model file into '${folder}'; a model without a file needs the folder too`]
    : [`move '${placeIn(path, model)}' into '${folder}'`];
}
