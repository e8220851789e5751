// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { until } from '../../test/support/until.ts';
import { HealthDetails } from './health-details.ts';

describe('HealthDetails', () => {
  it('tells the last of many changes, also where each telling takes long', async () => {
    const told: string[] = [];
    let name = 'first';
    using health = new HealthDetails({
      engine: { setHealthDetails: (members) => void told.push(members ?? '') },
      lifecycle: {
        readiness: () => ({ isReady: true, waitsFor: [], needs: [] }),
        knownRows: () => {
          const end = performance.now() + 10;
          while (performance.now() < end);
          return [{ name }];
        },
      },
      policy: undefined,
    });
    for (let i = 0; i < 20; i++) {
      name = `change ${i}`;
      health.changed();
      await turn();
    }
    await until(() => told.some((members) => members.includes('"change 19"')));
    assert.ok(told.length < 20, `told ${told.length} times`);
  });
});
