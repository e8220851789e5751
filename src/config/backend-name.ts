// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ConfigProblem } from './config-error.ts';
import type { ModelConfig } from './model-config.ts';

/** A backend Triton knows by name, the platform name that goes with it and its default file. */
interface KnownBackend {
  readonly backend: string;
  /** empty where the backend has no platform name */
  readonly platform: string;
  readonly file: string;
}

// In the order Triton looks for the files: the first file found decides.
const KNOWN: readonly KnownBackend[] = [
  { backend: 'tensorflow', platform: 'tensorflow_savedmodel', file: 'model.savedmodel' },
  { backend: 'tensorflow', platform: 'tensorflow_graphdef', file: 'model.graphdef' },
  { backend: 'tensorrt', platform: 'tensorrt_plan', file: 'model.plan' },
  { backend: 'onnxruntime', platform: 'onnxruntime_onnx', file: 'model.onnx' },
  { backend: 'openvino', platform: '', file: 'model.xml' },
  { backend: 'pytorch', platform: 'pytorch_libtorch', file: 'model.pt' },
  { backend: 'pytorch', platform: 'libtorch', file: 'model.pt' },
  { backend: 'pytorch', platform: 'torch_aoti', file: 'model.pt2' },
  { backend: 'python', platform: '', file: 'model.py' },
];

/** What tells the backend of a model whose configuration does not name it. */
export interface BackendEvidence {
  /** name of the model's directory */
  readonly modelName: string;
  /** names in one version directory; empty when there is none */
  readonly versionDirFiles: readonly string[];
}

/**
 * Fills `name`, `backend`, `platform` and `default_model_filename` from what is given and what lies in the version
 * directory; for a model without any of these, from a name of the form `model.<backend>`.
 */
export function fillBackend(
  config: ModelConfig,
  { modelName, versionDirFiles }: BackendEvidence,
): ModelConfig | ConfigProblem {
  const named = { ...config, name: config.name || modelName };
  if (named.platform === 'ensemble') return named;
  const known = findKnown(named, versionDirFiles);
  if (known)
    return {
      ...named,
      backend: known.backend,
      platform: named.platform || known.platform,
      default_model_filename: named.default_model_filename || known.file,
    };
  if (named.backend || named.platform || named.default_model_filename) return named;
  return fromModelName(named, modelName);
}

function findKnown(config: ModelConfig, files: readonly string[]): KnownBackend | undefined {
  const { backend, platform, default_model_filename: file } = config;
  const fits = KNOWN.filter(
    (known) =>
      (!backend || backend === known.backend) && (!platform || platform === known.platform),
  );
  if (file) {
    const byFile = fits.find((known) => known.file === file);
    if (byFile) return byFile;
  } else {
    const byContent = fits.find((known) => files.includes(known.file));
    if (byContent) return byContent;
  }
  // Without a file that tells more, a backend has its first platform; TensorFlow has no first one.
  return backend || platform
    ? fits.find((known) => platform || known.backend !== 'tensorflow')
    : undefined;
}

function fromModelName(config: ModelConfig, modelName: string): ModelConfig | ConfigProblem {
  const dot = modelName.indexOf('.');
  if (dot < 0)
    return {
      path: '',
      phase: 'read',
      text:
        `Invalid model name: Could not determine backend for model '${modelName}' with no backend in model ` +
        "configuration. Expected model name of the form 'model.<backend_name>'.",
    };
  const backend = modelName.slice(dot + 1);
  return { ...config, backend, default_model_filename: `model.${backend}` };
}

/** False where platform and backend contradict each other. A backend of the user's own takes any platform. */
export function platformFitsBackend(platform: string, backend: string): boolean {
  const platforms = KNOWN.filter((known) => known.backend === backend && known.platform !== '');
  return platforms.length === 0 ? true : platforms.some((known) => known.platform === platform);
}
