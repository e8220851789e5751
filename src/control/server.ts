// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Program } from '../config/options.ts';

export interface ServerMetadata {
  readonly name: string;
  readonly version: string;
  readonly extensions: readonly string[];
}

/** The version of Triton whose surface this server offers. */
const TRITON_VERSION = '2.73.0';

// Triton's list is fixed and clients look features up in it, whether or not a build has them.
const TRITON_EXTENSIONS = [
  'classification',
  'sequence',
  'model_repository',
  'model_repository(unload_dependents)',
  'schedule_policy',
  'model_configuration',
  'system_shared_memory',
  'cuda_shared_memory',
  'binary_tensor_data',
  'parameters',
  'statistics',
  'trace',
  'logging',
] as const;

const BUILT_EXTENSIONS = [
  'classification',
  'model_repository',
  'schedule_policy',
  'model_configuration',
  'binary_tensor_data',
  'parameters',
  'statistics',
] as const;

/** Who answers here: Triton by name and version under `tritonserver`, this package otherwise. */
export function serverMetadata(
  program: Program,
  id: string,
  packageVersion: string,
): ServerMetadata {
  const isTriton = program === 'tritonserver';
  return {
    name: id,
    version: isTriton ? TRITON_VERSION : packageVersion,
    extensions: isTriton ? TRITON_EXTENSIONS : BUILT_EXTENSIONS,
  };
}
