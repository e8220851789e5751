// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chooseVersions, versionOfFolder } from './version-policy.ts';

describe('chooseVersions', () => {
  const available = [3, 10, 1, 2];

  it('keeps the newest version without a policy, by number and not by text', () => {
    assert.deepEqual(chooseVersions(undefined, available), [10]);
  });

  it('keeps the newest n when policy is latest n', () => {
    assert.deepEqual(chooseVersions({ latest: { num_versions: 1 } }, available), [10]);
    assert.deepEqual(chooseVersions({ latest: { num_versions: 3 } }, available), [2, 3, 10]);
    assert.deepEqual(chooseVersions({ latest: { num_versions: 9 } }, available), [1, 2, 3, 10]);
    assert.deepEqual(chooseVersions({ latest: { num_versions: 0 } }, available), [10]);
  });

  it('keeps all when policy is all', () => {
    assert.deepEqual(chooseVersions({ all: {} }, available), [1, 2, 3, 10]);
  });

  it('keeps those of the specific ones that exist', () => {
    assert.deepEqual(chooseVersions({ specific: { versions: [3n, 1n, 7n] } }, available), [1, 3]);
    assert.deepEqual(chooseVersions({ specific: { versions: [7n] } }, available), []);
    assert.deepEqual(chooseVersions({ specific: { versions: [] } }, available), []);
  });

  it('chooses nothing of nothing', () => {
    assert.deepEqual(chooseVersions(undefined, []), []);
  });

  it('refuses numbers that no folder can have', () => {
    for (const version of [-1n, 0n, 2n ** 60n]) {
      assert.throws(() => chooseVersions({ specific: { versions: [version] } }, available), {
        code: 'InvalidArgument',
      });
    }
  });
});

describe('versionOfFolder', () => {
  it('takes digits that do not start with 0', () => {
    assert.equal(versionOfFolder('1'), 1);
    assert.equal(versionOfFolder('20260101'), 20_260_101);
    for (const name of ['0', '01', 'v1', '1.0', '-1', '', ' 1', '1e3', '99999999999999999999']) {
      assert.equal(versionOfFolder(name), undefined, name);
    }
  });
});
