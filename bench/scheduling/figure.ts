// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Spread } from '../statistics.ts';

export interface Figure {
  readonly name: string;
  readonly unit: 'µs' | 'ms' | 'MiB' | '%';
  readonly found: Spread;
  /** what the median may be; absent = none is set */
  readonly atMost?: number;
}

/** How often each figure is taken; the differences are those of one round. */
export interface Effort {
  readonly rounds: number;
  /** of one sample of CPU time */
  readonly requests: number;
}
