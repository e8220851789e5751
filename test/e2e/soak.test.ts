// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { rollingRestart } from '../soak/rolling-restart.ts';
import type { Scenario } from '../soak/scenario.ts';
import { scenarios } from '../soak/scenarios.ts';

const MINUTE = 60_000;
const SEED = 20;

const hasHaproxy = spawnSync('haproxy', ['-v']).status === 0;

/** CI has every program. */
function reasonToSkip(scenario: Scenario): string | false {
  const isPossible = scenario !== rollingRestart || hasHaproxy || process.env['CI'] !== undefined;
  return isPossible ? false : 'needs haproxy';
}

describe('the short forms of npm run soak', () => {
  for (const scenario of scenarios) {
    const skip = reasonToSkip(scenario);
    it(`${scenario.name}: ${scenario.about}`, { timeout: 10 * MINUTE, skip }, async (test) => {
      const figures = await scenario.run({
        ...scenario.short,
        seed: SEED,
        log: (line) => test.diagnostic(line),
      });
      test.diagnostic(JSON.stringify(figures));
    });
  }
});
