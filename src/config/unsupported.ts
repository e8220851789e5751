// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ModelConfig } from './model-config.ts';

/**
 * Features a configuration asks for that this server reads but cannot honour. The loader refuses such a model, so
 * that nothing is silently ignored. Settings that only tune speed or that Triton ignores on a CPU are no reason to
 * refuse; docs/config.md lists them.
 * @param config a completed configuration
 * @returns one clear sentence each; empty when the model can be served
 */
export function unsupportedFeatures(config: ModelConfig): string[] {
  return unsupportedFields(config).map(({ text }) => text);
}

/** The same with the field each is about, e.g. `instance_group.kind`. */
export function unsupportedFields(
  config: ModelConfig,
): { readonly field: string; readonly text: string }[] {
  return FEATURES.filter(([, wanted]) => wanted(config)).map(([field, , what]) => ({
    field,
    text: `model '${config.name}' asks for ${what} (${field}), which this server does not support yet`,
  }));
}

type Feature = readonly [field: string, wanted: (config: ModelConfig) => boolean, what: string];

const FEATURES: readonly Feature[] = [
  [
    'is_shape_tensor',
    (c) => [...c.input, ...c.output].some((t) => t.is_shape_tensor || t.is_non_linear_format_io),
    'TensorRT tensors',
  ],
  [
    'instance_group.kind',
    (c) => c.instance_group.some((g) => g.kind === 'KIND_GPU'),
    'GPU instances',
  ],
  ['instance_group.passive', (c) => c.instance_group.some((g) => g.passive), 'passive instances'],
  [
    'instance_group.secondary_devices',
    (c) => c.instance_group.some((g) => g.secondary_devices.length > 0),
    'secondary devices',
  ],
  [
    'instance_group.profile',
    (c) => c.instance_group.some((g) => g.profile.length > 0),
    'TensorRT profiles',
  ],
  [
    'optimization.execution_accelerators',
    ({ optimization }) =>
      (optimization?.execution_accelerators?.gpu_execution_accelerator.length ?? 0) > 0 ||
      (optimization?.execution_accelerators?.cpu_execution_accelerator.length ?? 0) > 0,
    'an execution accelerator',
  ],
  [
    'model_repository_agents',
    (c) => (c.model_repository_agents?.agents.length ?? 0) > 0,
    'repository agents',
  ],
  [
    'model_operations',
    (c) => (c.model_operations?.op_library_filename.length ?? 0) > 0,
    'custom operator libraries',
  ],
  ['runtime', (c) => c.runtime !== '', 'a backend library of its own'],
  [
    'parameters["TRITON_BATCH_STRATEGY_PATH"]',
    (c) => c.parameters.has('TRITON_BATCH_STRATEGY_PATH'),
    'a custom batching library',
  ],
];

/** Fields that can make a model one we refuse; docs/config.md lists them. */
export const UNSUPPORTED_FIELDS: readonly string[] = FEATURES.map(([field]) => field);
