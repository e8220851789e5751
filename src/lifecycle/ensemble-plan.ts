// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { EnsemblePlan } from '../addon/model-plan.ts';
import { invalidArgument } from '../base/status.ts';
import type { ModelConfig } from '../config/model-config.ts';

/** Bytes that tensors between the steps may hold; `parameters` of a configuration. */
const MAX_INFLIGHT_BYTES = 'max_inflight_bytes';

/**
 * Compiles a checked ensemble to the graph that native walks. Pure.
 * @param defaultBytes `maxInflightBytes` where the configuration sets none
 * @returns undefined for a model that is no ensemble
 * @throws ServeError InvalidArgument for a limit that is no number
 */
export function makeEnsemblePlan(
  config: ModelConfig,
  defaultBytes: number,
): EnsemblePlan | undefined {
  const scheduling = config.ensemble_scheduling;
  if (scheduling === undefined) return undefined;
  const tensors = new Map<string, number>();
  const indexOf = (name: string): number => {
    const index = tensors.get(name) ?? tensors.size;
    tensors.set(name, index);
    return index;
  };
  const links = (map: ReadonlyMap<string, string>) =>
    [...map].map(([name, tensor]) => ({ name, tensor: indexOf(tensor) }));
  const inputs = config.input.map(({ name }) => indexOf(name));
  const steps = scheduling.step.map((step) => ({
    model: step.model_name,
    version: Number(step.model_version),
    inputs: links(step.input_map),
    outputs: links(step.output_map),
  }));
  return {
    inputs,
    outputs: config.output.map(({ name }) => indexOf(name)),
    steps,
    tensors: [...tensors.keys()],
    maxInflightRequests: scheduling.max_inflight_requests,
    maxInflightBytes: inflightBytes(config, defaultBytes),
  };
}

function inflightBytes(config: ModelConfig, defaultBytes: number): number {
  const text = config.parameters.get(MAX_INFLIGHT_BYTES)?.string_value;
  if (text === undefined) return defaultBytes;
  const bytes = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(bytes)) return bytes;
  throw invalidArgument(
    `parameters["${MAX_INFLIGHT_BYTES}"]: expected a number of bytes, 0 = no limit, got '${text}'`,
  );
}
