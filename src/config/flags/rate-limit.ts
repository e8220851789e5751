// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { both, type Flag, FlagError, int32, tritonWord } from './flag.ts';

/** `device` undefined = every device. Names are compared without regard to case. */
export interface RateLimitResource {
  readonly name: string;
  readonly count: number;
  readonly device: number | undefined;
}

/** Which instance may run next, over all models. */
export interface RateLimitOptions {
  readonly rateLimit: 'off' | 'execution_count';
  readonly rateLimitResources: readonly RateLimitResource[];
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptyRateLimitOptions: RateLimitOptions = { rateLimit: 'off', rateLimitResources: [] };

export const rateLimitFlags: readonly Flag<RateLimitOptions>[] = [
  {
    name: 'rate-limit',
    group: 'Rate limiter',
    value: '<string>',
    help: '"execution_count" runs an instance once its resources are free, in the order of its priority; "off" as soon as it is free.',
    defaults: both('off'),
    set: (draft, value) => {
      draft.rateLimit = tritonWord('rate-limit', value, ['execution_count', 'off']);
    },
  },
  {
    name: 'rate-limit-resource',
    group: 'Rate limiter',
    value: '<name:count[:device]>',
    help: 'How much of a resource there is, on every device or one (the CPU is device 0); without it, as much as the neediest instance holds.',
    repeats: true,
    set: (draft, value) => {
      draft.rateLimitResources = [...draft.rateLimitResources, resource(value)];
    },
  },
];

function resource(value: string): RateLimitResource {
  const [name = '', count, device, ...more] = value.split(':');
  if (count === undefined || more.length > 0) {
    throw new FlagError(
      '--rate-limit-resource option format is ' +
        `'<resource_name>:<count>:<device>' or '<resource_name>:<count>'. Got ${value}`,
    );
  }
  return {
    name: name.toLowerCase(),
    count: int32(count),
    device: device === undefined ? undefined : int32(device),
  };
}
