// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { basename } from 'node:path';
import type { ModelPlan } from '../addon/model-plan.ts';
import type { ModelInspection } from '../addon/types.ts';
import { ServeError } from '../base/status.ts';
import {
  type CheckedProblem,
  type CompleteOptions,
  checkModelConfig,
  resolveBackend,
} from '../config/complete.ts';
import { ConfigError } from '../config/config-error.ts';
import type { ConfigSource, ModelConfig } from '../config/model-config.ts';
import { unsupportedFields } from '../config/unsupported.ts';
import { readInitialStates } from '../lifecycle/initial-states.ts';
import { inspect, type LoaderOptions, modelFileOf, readLabels } from '../lifecycle/loader.ts';
import { readWarmup } from '../lifecycle/warmup-plan.ts';
import type { ModelFolder, VersionFolder } from '../repository/source.ts';
import type { ConfigText, TextProblem } from './config-text.ts';
import { correct } from './corrections.ts';
import { Draft } from './draft.ts';
import type { FindingCode } from './finding.ts';
import { fieldIn, initialStateProblems, parameterProblems, planOrProblem } from './plan-check.ts';
import { configTensor, fileTensor } from './tensor-text.ts';

/** What models are checked with. */
export interface CheckTools {
  readonly loader: Omit<LoaderOptions, 'engine'> & {
    readonly engine: Pick<LoaderOptions['engine'], 'inspect'>;
  };
  /**
   * Builds a version as the server would, and lets it go; absent where nothing can be built.
   * @throws ServeError that says what the backend has against it; Unavailable when the backend is not there
   */
  readonly build?: (plan: ModelPlan) => Promise<void>;
  /** told why a model file was not read although the model may be well */
  readonly unread: (reason: string) => void;
  /** @returns what is wrong with the name of a backend; undefined when the server has it or cannot tell */
  readonly backendProblem: (backend: string) => Promise<string | undefined>;
}

/** The configuration of a version as it is served, as far as it can be told. */
export async function completeVersion(
  folder: ModelFolder,
  version: VersionFolder,
  text: ConfigText,
  written: ModelConfig,
  { loader, backendProblem }: CheckTools,
): Promise<ModelConfig> {
  const options = optionsOf(folder, version, loader);
  const draft = new Draft(text.text, () => text.scan);
  // The model's own check tells what was not read.
  const tools: CheckTools = { loader, backendProblem, unread: () => undefined };
  const { inspection } = await readModelFile(folder, version, written, options, draft, tools);
  return checkModelConfig(written, { ...options, inspection }).config;
}

function optionsOf(
  { name: modelName }: ModelFolder,
  { files: versionDirFiles }: VersionFolder,
  { autoComplete, serverDefaults }: CheckTools['loader'],
): CompleteOptions {
  return { modelName, versionDirFiles, autoComplete, serverDefaults };
}

/** Everything wrong with one version; what is wrong with its text is not repeated. */
export async function checkVersion(
  folder: ModelFolder,
  version: VersionFolder,
  text: ConfigText,
  written: ModelConfig,
  tools: CheckTools,
): Promise<TextProblem[]> {
  const { loader } = tools;
  const problems: TextProblem[] = [];
  const options = optionsOf(folder, version, loader);
  const draft = new Draft(text.text, () => text.scan);
  const file = await readModelFile(folder, version, written, options, draft, tools);
  const { config, problems: found } = checkModelConfig(written, {
    ...options,
    inspection: file.inspection,
  });
  const known = { modelName: folder.name, config, inspection: file.inspection };
  for (const problem of found) {
    const edits = correct(problem, draft, known);
    problems.push({
      code: codeOf(problem),
      field: problem.path,
      message: problem.text,
      notes: notesOn(problem, config, file, text.format),
      edits: edits && text.inFile(edits),
    });
  }
  const isToldAlready = (field: string): boolean =>
    problems.some((one) => one.field.replace(/\[\d+\]/g, '').startsWith(field));
  const { problem } = file;
  if (problem !== undefined && !isToldAlready(problem.field || ' '))
    problems.push({ ...problem, edits: problem.edits && text.inFile(problem.edits) });
  for (const { field, text: message } of unsupportedFields(config)) {
    if (!isToldAlready(field))
      problems.push({ code: 'unsupported-feature', field: text.writtenPath(field), message });
  }
  const backend = await tools.backendProblem(config.backend);
  if (backend !== undefined)
    problems.push({ code: 'unknown-backend', field: 'backend', message: backend });
  problems.push(...(await labelProblems(config, folder)));
  if (!isToldAlready('model_warmup'))
    problems.push(...(await warmupProblems(config, folder, text)));
  if (!isToldAlready('sequence_batching.state'))
    problems.push(...(await initialStateProblems(config, folder)));
  problems.push(...parameterProblems(config));
  if (problems.length === 0)
    problems.push(...(await buildProblems(config, folder, version, file, text, tools)));
  return problems;
}

/** What shows only when a version that is well so far is made: its plan, and what its backend makes of that. */
async function buildProblems(
  config: ModelConfig,
  folder: ModelFolder,
  { version }: VersionFolder,
  file: ModelFile,
  text: ConfigText,
  { loader, build, unread }: CheckTools,
): Promise<TextProblem[]> {
  const labels = await readLabels(config, folder);
  const initialStates = await readInitialStates(config, folder);
  const files = { version, modelFile: file.path, labels, initialStates };
  // What instances hold of resources is told by the check of all models together.
  const made = planOrProblem(config, files, loader);
  if ('problem' in made) return [made.problem];
  if (build === undefined || file.isUnread === true) return [];
  const warmup = await readWarmup(config, folder, sourceOf(text, folder));
  const { instanceLimits: _, ...plan } = made.plan;
  try {
    // One instance tells what the others would.
    await build({ ...plan, instanceCount: Math.min(plan.instanceCount, 1), warmup });
    return [];
  } catch (thrown) {
    const error = ServeError.from(thrown);
    const message = error.message.trim();
    if (error.code !== 'Unavailable')
      return [{ code: 'build-failed', field: fieldIn(message, config), message }];
    unread(message);
    return [];
  }
}

interface ModelFile {
  /** name of the file; empty where there is none */
  readonly name: string;
  /** where this machine has it; empty where there is none */
  readonly path: string;
  /** it is there and could not be read, whatever it holds */
  readonly isUnread?: boolean;
  readonly inspection?: ModelInspection | undefined;
  readonly problem?: TextProblem;
}

async function readModelFile(
  folder: ModelFolder,
  version: VersionFolder,
  written: ModelConfig,
  options: CompleteOptions,
  draft: Draft,
  { loader, unread }: CheckTools,
): Promise<ModelFile> {
  let resolved: ModelConfig;
  try {
    resolved = resolveBackend(written, options);
  } catch {
    return { name: '', path: '' };
  }
  let path: string;
  try {
    path = await modelFileOf(resolved, folder, version);
  } catch (thrown) {
    return { name: '', path: '', problem: missingFile(thrown, version, draft) };
  }
  const name = basename(path);
  try {
    return { name, path, inspection: await inspect(resolved.backend, path, loader) };
  } catch (thrown) {
    const error = ServeError.from(thrown);
    if (error.code !== 'Unavailable')
      return {
        name,
        path,
        problem: {
          code: 'model-file-unreadable',
          field: '',
          message: `${version.version}/${name}: ${error.message.trim()}`,
        },
      };
    unread(error.message.trim());
    return { name, path, isUnread: true };
  }
}

function missingFile(
  thrown: unknown,
  { version, files }: VersionFolder,
  draft: Draft,
): TextProblem {
  const holds =
    files.length === 0
      ? `folder '${version}' is empty`
      : `folder '${version}' holds ${files.slice(0, 8).join(', ')}${files.length > 8 ? ', …' : ''}`;
  const models = files.filter((name) => name.endsWith('.onnx'));
  const [only] = models;
  return {
    code: 'model-file-missing',
    field: 'default_model_filename',
    message: `version ${version}: ${ServeError.from(thrown).message.trim()}`,
    notes: [holds],
    edits:
      models.length === 1 && only !== undefined
        ? draft.set('default_model_filename', JSON.stringify(only))
        : undefined,
  };
}

function codeOf({ from }: CheckedProblem): FindingCode {
  if (from === 'backend') return 'unknown-backend';
  return from === 'model-file' ? 'model-file-mismatch' : 'invalid-config';
}

/** What both sides say of the tensors a problem is about. */
function notesOn(
  { path, from }: CheckedProblem,
  config: ModelConfig,
  { name, inspection }: ModelFile,
  format: ConfigText['format'],
): string[] {
  const batches = config.max_batch_size > 0;
  const [, kind, index] = /^(input|output)(?:\[(\d+)\].*)?$/.exec(path) ?? [];
  if (kind !== 'input' && kind !== 'output') {
    if (from !== 'model-file' || inspection === undefined) return [];
    return fileNotes(name, inspection, batches);
  }
  const declared = index === undefined ? undefined : config[kind][Number(index)];
  const inFile = (kind === 'input' ? inspection?.inputs : inspection?.outputs) ?? [];
  const same = inFile.filter((tensor) => declared === undefined || tensor.name === declared.name);
  const shown = same.length > 0 ? same : inFile;
  return [
    ...(declared === undefined || declared.name === ''
      ? []
      : [
          `${format === 'json' ? 'the JSON' : 'config.pbtxt'} says ${configTensor(kind, declared, batches)}`,
        ]),
    ...shown.map((tensor) => `${name} says ${fileTensor(kind, tensor, batches)}`),
  ];
}

/** Every tensor of a model file. */
function fileNotes(name: string, inspection: ModelInspection, batches: boolean): string[] {
  return [
    ...inspection.inputs.map((tensor) => `${name} says ${fileTensor('input', tensor, batches)}`),
    ...inspection.outputs.map((tensor) => `${name} says ${fileTensor('output', tensor, batches)}`),
  ];
}

async function labelProblems(config: ModelConfig, folder: ModelFolder): Promise<TextProblem[]> {
  const problems: TextProblem[] = [];
  for (const [index, output] of config.output.entries()) {
    try {
      await readLabels({ ...config, output: [output] }, folder);
    } catch (thrown) {
      problems.push({
        code: 'label-file',
        field: `output[${index}].label_filename`,
        message: ServeError.from(thrown).message.trim(),
      });
    }
  }
  return problems;
}

function sourceOf({ text, format }: ConfigText, { name }: ModelFolder): ConfigSource {
  return { text, file: name, format };
}

/** Every input of a sample whose file is not what it should be. */
async function warmupProblems(
  config: ModelConfig,
  folder: ModelFolder,
  text: ConfigText,
): Promise<TextProblem[]> {
  const problems: TextProblem[] = [];
  for (const [index, sample] of config.model_warmup.entries()) {
    for (const input of sample.inputs) {
      const alone = { ...config, model_warmup: [{ ...sample, inputs: new Map([input]) }] };
      try {
        await readWarmup(alone, folder, sourceOf(text, folder));
      } catch (thrown) {
        if (!(thrown instanceof ConfigError)) throw thrown;
        const field = thrown.path.replace('model_warmup[0]', `model_warmup[${index}]`);
        problems.push({ code: 'invalid-config', field, message: thrown.text });
      }
    }
  }
  return problems;
}
