// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { readFile, stat } from 'node:fs/promises';
import { posix } from 'node:path';
import type { ModelPlan } from '../addon/model-plan.ts';
import type { Engine, ModelInspection } from '../addon/types.ts';
import { invalidArgument, ServeError, unimplemented } from '../base/status.ts';
import { completeModelConfig, resolveBackend, type ServerDefaults } from '../config/complete.ts';
import type { ConfigSource, ModelConfig } from '../config/model-config.ts';
import { configError, parseModelConfigJson, readModelConfig } from '../config/read.ts';
import { unsupportedFeatures } from '../config/unsupported.ts';
import type { ModelFolder, VersionFolder } from '../repository/source.ts';
import { chooseVersions } from '../repository/version-policy.ts';
import { readInitialStates } from './initial-states.ts';
import type { ServedVersion } from './model-state.ts';
import { makePlan, type PlanDefaults, type PlanFiles } from './plan.ts';
import { readWarmup } from './warmup-plan.ts';

/** Backends that read a model file; the others have none. */
const FILE_BACKENDS = new Set(['onnxruntime']);
const MAX_LABEL_FILE_BYTES = 64 * 1024 * 1024;

export interface LoaderOptions extends PlanDefaults {
  readonly engine: Pick<Engine, 'inspect' | 'load' | 'unload'>;
  readonly autoComplete: boolean;
  readonly serverDefaults: ServerDefaults;
  /** Called before a backend is first needed; may fetch it. Rejects with the sentence the client shall read. */
  readonly ensureBackend: (backend: string) => Promise<void>;
  /** Checks an ensemble's complete configuration against the models of its steps; absent = it is not checked. */
  readonly wire?: (config: ModelConfig) => ModelConfig;
}

/** A configuration as read, with the versions its policy chose. */
export interface DraftModel {
  readonly folder: ModelFolder;
  readonly config: ModelConfig;
  readonly source: ConfigSource;
  readonly versions: readonly VersionFolder[];
}

/** One version ready to be built. */
export interface PlannedVersion {
  readonly config: ModelConfig;
  readonly plan: ModelPlan;
  /** what its model file said; undefined where nothing was asked */
  readonly inspection?: ModelInspection | undefined;
}

/**
 * Reads the configuration of a model and chooses its versions.
 * @param override `config` of the load API: JSON, used instead of config.pbtxt
 * @throws ServeError InvalidArgument
 */
export function draftModel(folder: ModelFolder, override?: string): DraftModel {
  const source: ConfigSource =
    override === undefined
      ? {
          text: folder.configText ?? '',
          file: `${folder.name}/${folder.configFile ?? 'config.pbtxt'}`,
          format: 'pbtxt',
        }
      : { text: override, file: 'config', format: 'json' };
  const written =
    source.format === 'json'
      ? parseModelConfigJson(source.text, source.file)
      : readModelConfig(source.text, source.file);
  const config = folder.isMapped === true ? { ...written, name: folder.name } : written;
  const chosen = new Set(
    chooseVersions(
      config.version_policy,
      folder.versions.map((one) => one.version),
    ),
  );
  return {
    folder,
    config,
    source,
    versions: folder.versions.filter((one) => chosen.has(one.version)),
  };
}

/**
 * Completes and checks the configuration of one version and compiles its plan.
 * @throws ConfigError when the configuration is wrong, another ServeError when the model or its backend is
 */
export async function planVersion(
  draft: DraftModel,
  version: VersionFolder,
  options: LoaderOptions,
): Promise<PlannedVersion> {
  const known = knownOf(draft, version, options);
  const resolved = resolveBackend(draft.config, known);
  const modelFile = await modelFileOf(resolved, draft.folder, version);
  const inspection = await inspect(resolved.backend, modelFile, options);
  const complete = completeModelConfig(resolved, { ...known, inspection });
  const config = options.wire === undefined ? complete : options.wire(complete);
  const unsupported = unsupportedFeatures(config);
  if (unsupported.length > 0) throw unimplemented(unsupported.join('; '));
  const labels = await readLabels(config, draft.folder);
  const initialStates = await readInitialStates(config, draft.folder);
  const { namespace } = draft.folder;
  const files = { version: version.version, modelFile, labels, initialStates, namespace };
  const plan = planOf(config, files, options, draft.source);
  return { config, plan, inspection };
}

/**
 * Plans a version that serves again under a configuration that has changed, its files having stayed as they were: none
 * of them is read.
 * @throws ConfigError when the configuration is wrong, another ServeError when it asks for what is not supported
 */
export function replanVersion(
  draft: DraftModel,
  version: VersionFolder,
  { plan, inspection }: PlannedVersion,
  options: LoaderOptions,
): PlannedVersion {
  const known = knownOf(draft, version, options);
  const config = completeModelConfig(resolveBackend(draft.config, known), { ...known, inspection });
  const unsupported = unsupportedFeatures(config);
  if (unsupported.length > 0) throw unimplemented(unsupported.join('; '));
  const labels = new Map(plan.outputs.map((output) => [output.name, output.labels]));
  const { namespace } = draft.folder;
  const states = plan.sequence?.states ?? [];
  const initialStates = new Map(states.map(({ input, initialData }) => [input, initialData]));
  const { modelFile } = plan;
  const files = { version: version.version, modelFile, labels, namespace, initialStates };
  return { config, plan: planOf(config, files, options, draft.source), inspection };
}

/**
 * Builds one version: plan, load, warm up.
 * @throws ConfigError when the configuration is wrong, another ServeError when the model or its backend is
 */
export async function buildVersion(
  draft: DraftModel,
  version: VersionFolder,
  options: LoaderOptions,
): Promise<ServedVersion> {
  const startedMs = performance.now();
  const { config, plan, inspection } = await planVersion(draft, version, options);
  await options.ensureBackend(plan.backend);
  // Not part of the plan that is kept: its files may be large.
  const warmup = await readWarmup(config, draft.folder, draft.source);
  const handle = await options.engine.load({ ...plan, warmup }).catch((error: unknown) => {
    throw ServeError.from(error);
  });
  const loadSeconds = (performance.now() - startedMs) / 1000;
  return {
    version: version.version,
    handle,
    config,
    plan,
    inspection,
    loadSeconds,
    loadedMs: Date.now(),
  };
}

/** @throws ConfigError with the place of what is wrong with our own `parameters`; ServeError for the rest */
function planOf(
  config: ModelConfig,
  files: PlanFiles,
  defaults: PlanDefaults,
  source: ConfigSource | undefined,
): ModelPlan {
  try {
    return makePlan(config, files, defaults);
  } catch (thrown) {
    const { message } = ServeError.from(thrown);
    const [head, path] = /^(parameters\["[^"]*"\]): /.exec(message) ?? [];
    if (head === undefined || path === undefined) throw thrown;
    throw configError({ path, text: message.slice(head.length), phase: 'load' }, source);
  }
}

function knownOf(draft: DraftModel, version: VersionFolder, options: LoaderOptions) {
  return {
    modelName: draft.folder.name,
    versionDirFiles: version.files,
    autoComplete: options.autoComplete,
    serverDefaults: options.serverDefaults,
    source: draft.source,
  };
}

/** Whether models of this backend have a model file. */
export function readsModelFile(backend: string): boolean {
  return FILE_BACKENDS.has(backend);
}

/**
 * Absolute path of the file a version is built from; empty for backends without one.
 * @throws ServeError InvalidArgument when it is missing
 */
export async function modelFileOf(
  config: ModelConfig,
  folder: ModelFolder,
  { version }: VersionFolder,
): Promise<string> {
  if (!readsModelFile(config.backend)) return '';
  const name = config.default_model_filename === '' ? 'model.onnx' : config.default_model_filename;
  const path = posix.normalize(`${version}/${name}`);
  if (!path.startsWith(`${version}/`)) {
    throw invalidArgument(
      `default_model_filename: expected a file inside the version folder, got '${name}'`,
    );
  }
  // A model may be a folder (`model.onnx/model.onnx` with its weights beside it).
  const found = (await folder.locate(path)) ?? (await folder.locate(`${path}/model.onnx`));
  if (found === undefined) {
    throw invalidArgument(`expected a model file '${name}' in the version folder, got none`);
  }
  return found;
}

/**
 * What the backend reads from the model file; undefined where there is none to read.
 * @throws ServeError Unavailable when the backend's library is missing, InvalidArgument when the file is no model
 */
export async function inspect(
  backend: string,
  modelFile: string,
  options: Pick<LoaderOptions, 'autoComplete' | 'ensureBackend'> & {
    readonly engine: Pick<Engine, 'inspect'>;
  },
): Promise<ModelInspection | undefined> {
  if (modelFile === '' || !options.autoComplete) return undefined;
  await options.ensureBackend(backend);
  try {
    return await options.engine.inspect(backend, modelFile);
  } catch (error) {
    throw ServeError.from(error);
  }
}

/** @throws ServeError InvalidArgument when a label file cannot be read */
export async function readLabels(
  config: ModelConfig,
  folder: ModelFolder,
): Promise<Map<string, readonly string[]>> {
  const result = new Map<string, readonly string[]>();
  for (const output of config.output) {
    const name = output.label_filename;
    if (name === '') continue;
    const path = await folder.locate(posix.normalize(name));
    const info = path === undefined ? undefined : await stat(path).catch(() => undefined);
    if (path === undefined || info === undefined) {
      throw invalidArgument(`label file '${name}' of output '${output.name}' cannot be read`);
    }
    if (info.size > MAX_LABEL_FILE_BYTES) {
      throw invalidArgument(
        `label file '${name}': expected at most ${MAX_LABEL_FILE_BYTES} bytes, got ${info.size}`,
      );
    }
    const lines = (await readFile(path, 'utf8')).split(/\r?\n/);
    if (lines.at(-1) === '') lines.pop();
    result.set(output.name, lines);
  }
  return result;
}
