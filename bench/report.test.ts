// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judge } from './report.ts';
import { spread } from './statistics.ts';

const figures = (nereid: number, triton?: number) => ({
  nereid: { cpuUsPerRequest: spread([nereid]) },
  ...(triton === undefined ? {} : { triton: { cpuUsPerRequest: spread([triton]) } }),
});

describe('judge', () => {
  const limit = { metric: 'cpuUsPerRequest', atMost: 7, triton: 35 } as const;
  const cases = [
    { when: 'at the number', nereid: 7, triton: 35, held: true },
    { when: 'over the number, Triton as expected', nereid: 7.1, triton: 35, held: false },
    { when: 'over the number, Triton slower here', nereid: 8, triton: 40, held: true },
    { when: 'over the share of a slower Triton', nereid: 8.1, triton: 40, held: false },
    { when: 'at the number, Triton faster here', nereid: 7, triton: 20, held: true },
    { when: 'over the number, no Triton', nereid: 7.1, triton: undefined, held: false },
  ];
  for (const { when, nereid, triton, held } of cases) {
    it(`${held ? 'holds' : 'is missed'}: ${when}`, () => {
      assert.equal(judge([limit], figures(nereid, triton))[0]?.isHeld, held);
    });
  }

  it('takes Triton itself as the limit when there is no number', () => {
    const own = [{ metric: 'cpuUsPerRequest' } as const];
    assert.equal(judge(own, figures(30, 31))[0]?.isHeld, true);
    assert.equal(judge(own, figures(32, 31))[0]?.isHeld, false);
    assert.deepEqual(judge(own, figures(32)), []);
  });

  it('says nothing without a figure of Nereid', () => {
    assert.deepEqual(judge([limit], { triton: { cpuUsPerRequest: spread([35]) } }), []);
  });
});
