// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadStorePackage, STORE_PACKAGES } from './packages.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

describe('loadStorePackage', () => {
  it('says how to install what is missing', async () => {
    await assert.rejects(loadStorePackage('gs'), {
      code: 'Unavailable',
      message:
        'gs:// repositories need the package nereid-gcs: npm install nereid-gcs, beside this server or in a folder of NODE_PATH',
    });
  });

  it('says so of a package that is something else', async () => {
    await assert.rejects(
      loadStorePackage('s3', () => here('./retry.ts')),
      { message: /^the package nereid-s3 exports no openStore: npm install/ },
    );
  });
});

describe('the packages of this clone', () => {
  const read = (path: string): Record<string, Record<string, string>> =>
    JSON.parse(readFileSync(here(`../../../${path}`), 'utf8'));
  for (const name of Object.values(STORE_PACKAGES)) {
    it(`${name} has the version of the server, and the clients that the tests run with`, () => {
      const about = read(`packages/${name}/package.json`);
      const server = read('package.json');
      assert.equal(about['version'], server['version']);
      for (const [client, version] of Object.entries(about['dependencies'] ?? {})) {
        assert.equal(version, server['devDependencies']?.[client], client);
      }
    });
  }
});
