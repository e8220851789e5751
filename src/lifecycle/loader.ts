// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { readFile, stat } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import type { Engine, ModelInspection, ModelPlan } from '../addon/types.ts';
import { invalidArgument, ServeError, type StatusCode } from '../base/status.ts';
import { completeModelConfig, resolveBackend, type ServerDefaults } from '../config/complete.ts';
import { ConfigError as ConfigFault } from '../config/config-error.ts';
import type { ConfigSource, ModelConfig } from '../config/model-config.ts';
import { parseModelConfigJson, readModelConfig } from '../config/read.ts';
import { unsupportedFeatures } from '../config/unsupported.ts';
import type { ModelFolder, VersionFolder } from '../repository/source.ts';
import { chooseVersions } from '../repository/version-policy.ts';
import type { ServedVersion } from './model-state.ts';
import { makePlan, type PlanDefaults } from './plan.ts';

/** Backends that read a model file; the others have none. */
const FILE_BACKENDS = new Set(['onnxruntime']);
const MAX_LABEL_FILE_BYTES = 64 * 1024 * 1024;

export interface LoaderOptions extends PlanDefaults {
  readonly engine: Pick<Engine, 'inspect' | 'load' | 'unload'>;
  readonly autoComplete: boolean;
  readonly serverDefaults: ServerDefaults;
  /** Called before a backend is first needed; may fetch it. Rejects with the sentence the client shall read. */
  readonly ensureBackend: (backend: string) => Promise<void>;
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
}

/**
 * Reads the configuration of a model and chooses its versions.
 * @param override `config` of the load API: JSON, used instead of config.pbtxt
 * @throws ServeError InvalidArgument
 */
export function draftModel(folder: ModelFolder, override?: string): DraftModel {
  const source: ConfigSource =
    override === undefined
      ? { text: folder.configText ?? '', file: `${folder.name}/config.pbtxt`, format: 'pbtxt' }
      : { text: override, file: 'config', format: 'json' };
  const config =
    source.format === 'json'
      ? parseModelConfigJson(source.text, source.file)
      : readModelConfig(source.text, source.file);
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
 * @throws ConfigError when the configuration is wrong, ServeError when the model or its backend is
 */
export async function planVersion(
  draft: DraftModel,
  version: VersionFolder,
  options: LoaderOptions,
): Promise<PlannedVersion> {
  const { folder, source } = draft;
  const known = {
    modelName: folder.name,
    versionDirFiles: version.files,
    autoComplete: options.autoComplete,
    source,
  };
  const resolved = inConfig(() => resolveBackend(draft.config, known));
  const modelFile = inConfig(() => modelFileOf(resolved, version));
  const inspection = await inspect(resolved.backend, modelFile, options);
  const config = inConfig(() =>
    completeModelConfig(resolved, { ...known, inspection, serverDefaults: options.serverDefaults }),
  );
  const unsupported = unsupportedFeatures(config);
  if (unsupported.length > 0) throw new ServeError('Unimplemented', unsupported.join('; '));
  const plan = makePlan(
    config,
    {
      version: version.version,
      modelFile: modelFile === '' ? '' : await actualFile(modelFile),
      labels: await readLabels(config, folder),
    },
    options,
  );
  return { config, plan };
}

/**
 * Builds one version: plan, load, warm up.
 * @throws ConfigError when the configuration is wrong, ServeError when the model or its backend is
 */
export async function buildVersion(
  draft: DraftModel,
  version: VersionFolder,
  options: LoaderOptions,
): Promise<ServedVersion> {
  const startedMs = performance.now();
  const { config, plan } = await planVersion(draft, version, options);
  await options.ensureBackend(plan.backend);
  const handle = await options.engine.load(plan).catch((error: unknown) => {
    throw ServeError.from(error);
  });
  const loadSeconds = (performance.now() - startedMs) / 1000;
  return { version: version.version, handle, config, plan, loadSeconds };
}

/** The configuration is wrong, whatever the model file says. Triton counts this as "failed to poll". */
export class ConfigError extends Error {
  readonly code: StatusCode;

  constructor(cause: ServeError) {
    super(cause.message, { cause });
    this.code = cause.code;
  }
}

function inConfig<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    // What Triton notices only while it builds a version is answered as a failure of that version.
    if (error instanceof ConfigFault && error.phase === 'load') throw error;
    if (error instanceof ServeError) throw new ConfigError(error);
    throw error;
  }
}

function modelFileOf(config: ModelConfig, version: VersionFolder): string {
  if (!FILE_BACKENDS.has(config.backend)) return '';
  const name = config.default_model_filename === '' ? 'model.onnx' : config.default_model_filename;
  const path = resolve(version.path, name);
  if (escapes(version.path, path)) {
    throw invalidArgument(
      `default_model_filename: expected a file inside the version folder, got '${name}'`,
    );
  }
  return path;
}

async function inspect(
  backend: string,
  modelFile: string,
  options: LoaderOptions,
): Promise<ModelInspection | undefined> {
  if (modelFile === '' || !options.autoComplete) return undefined;
  await options.ensureBackend(backend);
  const file = await actualFile(modelFile);
  try {
    return await options.engine.inspect(backend, file);
  } catch (error) {
    throw ServeError.from(error);
  }
}

// A model may be a folder (`model.onnx/model.onnx` with its weights beside it).
async function actualFile(modelFile: string): Promise<string> {
  const info = await stat(modelFile).catch(() => undefined);
  if (info === undefined) {
    const name = modelFile.slice(modelFile.lastIndexOf('/') + 1);
    throw invalidArgument(`expected a model file '${name}' in the version folder, got none`);
  }
  return info.isDirectory() ? join(modelFile, 'model.onnx') : modelFile;
}

async function readLabels(
  config: ModelConfig,
  folder: ModelFolder,
): Promise<Map<string, readonly string[]>> {
  const result = new Map<string, readonly string[]>();
  for (const output of config.output) {
    const name = output.label_filename;
    if (name === '') continue;
    const path = resolve(folder.path, name);
    if (escapes(folder.path, path)) {
      throw invalidArgument(
        `label file path '${name}' of output '${output.name}' is outside model directory`,
      );
    }
    const info = await stat(path).catch(() => undefined);
    if (info === undefined) {
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

function escapes(folder: string, path: string): boolean {
  const inside = relative(folder, path);
  return inside === '' || inside.startsWith('..') || resolve(folder, inside) !== path;
}
