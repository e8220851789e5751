// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { RateLimitOptions, RateLimitResource } from '../config/flags/rate-limit.ts';
import type { ModelConfig } from '../config/model-config.ts';
import type { TextProblem } from './config-text.ts';

/** Every instance is on the CPU, Triton's device 0. */
const CPU = 0;

/** Which models hold a resource once for all devices, and which on their device, by its name. */
export interface ResourceUsers {
  readonly global: Set<string>;
  readonly ofDevice: Set<string>;
}

export type Resources = Map<string, ResourceUsers>;

/** Notes what a model holds. Names are compared without regard to case. */
export function noteResources(resources: Resources, model: string, config: ModelConfig): void {
  for (const { need } of needsOf(config)) {
    const users = resources.get(need.name) ?? { global: new Set(), ofDevice: new Set() };
    (need.global ? users.global : users.ofDevice).add(model);
    resources.set(need.name, users);
  }
}

/**
 * Why the rate limiter would never let an instance run, in Triton's words.
 * @param resources what all models hold
 */
export function resourceProblems(
  config: ModelConfig,
  { rateLimit, rateLimitResources: limits }: RateLimitOptions,
  resources: Resources,
): TextProblem[] {
  if (rateLimit === 'off') return [];
  const problems: TextProblem[] = [];
  const tell = (path: string, message: string, notes: string[]): void => {
    problems.push({ code: 'resource-shortage', field: path, message, notes });
  };
  for (const { path, need } of needsOf(config)) {
    const users = resources.get(need.name);
    if (users !== undefined && users.global.size > 0 && users.ofDevice.size > 0)
      tell(
        `${path}.global`,
        `Resource "${need.name}" is present as both global and device-specific resource in the model configuration.`,
        [
          `global for ${listed(users.global)}, of a device for ${listed(users.ofDevice)}: the first that is loaded decides`,
        ],
      );
    const limit = limitOf(need, limits);
    if (limit !== undefined && limit < need.count)
      tell(
        `${path}.count`,
        `Resource count for "${need.name}" is limited to ${limit} which will prevent scheduling of one or more model instances, the minimum required count is ${need.count}`,
        [`there is as much of '${need.name}' as --rate-limit-resource says, and none without it`],
      );
  }
  return problems;
}

interface Need {
  readonly path: string;
  readonly need: { readonly name: string; readonly global: boolean; readonly count: number };
}

function needsOf(config: ModelConfig): Need[] {
  return config.instance_group.flatMap((group, i) =>
    (group.rate_limiter?.resources ?? []).map((need, j) => ({
      path: `instance_group[${i}].rate_limiter.resources[${j}]`,
      need: { ...need, name: need.name.toLowerCase() },
    })),
  );
}

/** How much there is; undefined = as much as the neediest instance holds. */
function limitOf(
  { name, global }: Need['need'],
  limits: readonly RateLimitResource[],
): number | undefined {
  if (limits.length === 0) return undefined;
  const named = limits.filter((one) => one.name === name);
  if (global) return Math.max(0, ...named.map(({ count }) => count));
  const onEach = named.findLast(({ device }) => device === undefined);
  const onThis = named.findLast(({ device }) => device === CPU);
  return (onThis ?? onEach)?.count ?? 0;
}

function listed(names: ReadonlySet<string>): string {
  return [...names].map((name) => `'${name}'`).join(', ');
}
