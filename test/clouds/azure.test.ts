// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startNereid } from '../support/nereid.ts';
import { AzureServer, skipAzure } from './azure-server.ts';
import { describeStore } from './common.ts';
import { putIdentity } from './models.ts';
import { StorePackages } from './store-packages.ts';

describeStore({
  name: 'Azure',
  packageName: 'nereid-azure',
  skip: skipAzure,
  tellsContent: false,
  start: (port) => AzureServer.start(port),
});

describe('Azure', { skip: skipAzure, timeout: 120_000 }, () => {
  it('says what is wrong with a key without repeating it', async () => {
    using packages = new StorePackages('nereid-azure');
    await using store = await AzureServer.start();
    await putIdentity(store, 'm');
    const key = Buffer.from('another key').toString('base64');
    const start = (url: string, AZURE_STORAGE_CONNECTION_STRING: string) =>
      startNereid({
        executable: 'nereid',
        args: [`--model-repository=${url}`],
        env: { ...process.env, NODE_PATH: packages.path, AZURE_STORAGE_CONNECTION_STRING },
      });
    await assert.rejects(start(store.url, store.connectionString(key)), (thrown: Error) => {
      assert.match(thrown.message, /access was denied, check the credentials \(\w+, status 403\)/);
      assert.ok(!thrown.message.includes(key));
      return true;
    });
    const absent = start(
      'as://testaccount/absent',
      store.env['AZURE_STORAGE_CONNECTION_STRING'] ?? '',
    );
    await assert.rejects(absent, { message: /no such bucket or object \(ContainerNotFound/ });
  });
});
