// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { invalidArgument, ServeError } from '../base/status.ts';
import { wireEnsemble } from '../config/ensemble-wiring.ts';
import type { EnsembleStep, ModelConfig } from '../config/model-config.ts';
import type { IndexRow, ServedVersion } from './model-state.ts';

/** What an ensemble needs to know of the other models. */
export interface OtherModels {
  /** builds that serve, ascending by version */
  served(name: string): readonly ServedVersion[];
  /** rows of the index; undefined for a model that never got as far as a version */
  rows(name: string): readonly IndexRow[] | undefined;
}

/** An ensemble that cannot be built because of the models of its steps. */
export class MemberError extends ServeError {}

/** Names of the models that the steps use, each once; empty for a model that is no ensemble. */
export function membersOf(config: ModelConfig): string[] {
  return [...new Set(config.ensemble_scheduling?.step.map((step) => step.model_name))];
}

/**
 * Finds the models of the steps and checks the wiring.
 * @returns the configuration with what follows from its steps; the same for a model that is no ensemble
 * @throws MemberError, in Triton's words
 */
export function wireMembers(config: ModelConfig, others: OtherModels): ModelConfig {
  if (config.ensemble_scheduling === undefined) return config;
  try {
    checkMembers(config, others);
    return wireEnsemble(config, (step) => findMember(step, others).config);
  } catch (thrown) {
    const error = ServeError.from(thrown);
    throw new MemberError(error.code, error.message, { cause: thrown });
  }
}

function checkMembers(config: ModelConfig, others: OtherModels): void {
  const unknown = membersOf(config).filter((name) => others.rows(name) === undefined);
  if (unknown.length > 0)
    throw invalidArgument(
      `ensemble ${config.name} contains models that are not available or ambiguous: ${unknown.join(', ')}`,
    );
  for (const step of config.ensemble_scheduling?.step ?? []) findMember(step, others, config.name);
}

function findMember(step: EnsembleStep, others: OtherModels, ensemble = ''): ServedVersion {
  const { model_name: name, model_version: version } = step;
  const served = others.served(name);
  const found = memberAt(served, Number(version));
  if (found !== undefined) return found;
  if (served.length > 0)
    throw invalidArgument(
      `ensemble '${ensemble}' depends on '${name}' whose required version ${version} is not loaded.`,
    );
  const reasons = (others.rows(name) ?? [])
    .filter((row) => row.state === 'UNAVAILABLE' && row.version !== undefined)
    .map((row) => `version ${row.version} is at UNAVAILABLE state: ${row.reason ?? ''};`);
  const failure =
    reasons.length > 0 ? `. Model '${name}' loading failed with error: ${reasons.join('\n')}` : '';
  throw invalidArgument(
    `ensemble '${ensemble}' depends on '${name}' which has no loaded version${failure}`,
  );
}

/** @param version -1 = the latest */
function memberAt(served: readonly ServedVersion[], version: number): ServedVersion | undefined {
  return version === -1 ? served.at(-1) : served.find((one) => one.version === version);
}

/**
 * Which builds the steps of the ensembles that serve go to, until the next table.
 * @returns handles of the steps by the ensemble's handle; an ensemble whose models do not all serve, or do not fit
 *   any more, is absent
 */
export function bindEnsembles(
  ensembles: readonly { readonly build: ServedVersion; readonly others: OtherModels }[],
): Map<number, readonly number[]> {
  const others = new Map(ensembles.map((one) => [one.build.handle, one.others]));
  const bound = new Map<number, readonly number[] | undefined>();
  const bind = (build: ServedVersion): readonly number[] | undefined => {
    const around = others.get(build.handle);
    if (!bound.has(build.handle) && around !== undefined)
      bound.set(build.handle, bindOne(build, around, bind));
    return bound.get(build.handle);
  };
  for (const { build } of ensembles) bind(build);
  const result = new Map<number, readonly number[]>();
  for (const [handle, steps] of bound) if (steps !== undefined) result.set(handle, steps);
  return result;
}

function bindOne(
  { plan, config }: ServedVersion,
  others: OtherModels,
  bind: (build: ServedVersion) => readonly number[] | undefined,
): readonly number[] | undefined {
  const handles: number[] = [];
  for (const { model, version } of plan.ensemble?.steps ?? []) {
    const found = memberAt(others.served(model), version);
    if (found === undefined) return undefined;
    if (found.plan.ensemble !== undefined && bind(found) === undefined) return undefined;
    handles.push(found.handle);
  }
  try {
    const { model_transaction_policy: policy } = wireMembers(config, others);
    return policy?.decoupled === plan.decoupled ? handles : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param configOf configuration of a model as the repository has it; undefined when it cannot be read
 * @throws MemberError when the ensemble is a step of itself, in Triton's words
 */
export async function checkCycles(
  config: ModelConfig,
  configOf: (name: string) => Promise<ModelConfig | undefined>,
): Promise<void> {
  const done = new Set<string>();
  const visit = async (path: readonly string[], current: ModelConfig): Promise<void> => {
    for (const member of membersOf(current)) {
      if (path.includes(member))
        throw new MemberError(
          'InvalidArgument',
          `circular dependency between ensembles: ${member} -> ... -> ${path.at(-1)} -> ${member}`,
        );
      if (done.has(member)) continue;
      done.add(member);
      const next = await configOf(member);
      if (next !== undefined) await visit([...path, member], next);
    }
  };
  await visit([config.name], config);
}
