// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { accessOf } from './access.ts';
import { readBlobList } from './blob-list.ts';
import { BlobStore } from './blob-store.ts';
import { sharedKey } from './shared-key.ts';
import { chainToken, managedIdentityToken } from './tokens.ts';

const { signal } = new AbortController();
const OBJECT = { key: 'm/1/a b', bytes: 1, token: '0x7' };

async function serving(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.dispose]: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

const blob = (name: string, inside = '', after = '') =>
  `<Blob>${name}<Properties><Etag>"0x8D"</Etag><Content-Length>5</Content-Length>${inside}</Properties>${after}</Blob>`;
const list = (blobs: string, marker = '<NextMarker />') =>
  `<?xml version="1.0"?><EnumerationResults ContainerName="c"><Blobs>${blobs}</Blobs>${marker}</EnumerationResults>`;

describe('readBlobList', () => {
  it('reads blobs, folders and where to go on', () => {
    const xml = list(
      blob('<Name>m/1/a&amp;b&#x20;&#99;</Name>', '<Content-MD5>x==</Content-MD5>') +
        blob('<Name Encoded="true">m%2F1%2Fz</Name>', '<Content-MD5 />') +
        '<BlobPrefix><Name>m/</Name></BlobPrefix>',
      '<NextMarker>n&lt;1</NextMarker>',
    );
    const common = { bytes: 5, token: '0x8D' };
    assert.deepEqual(readBlobList(xml), {
      objects: [
        { key: 'm/1/a&b c', ...common, md5: 'x==' },
        { key: 'm/1/z', ...common, md5: undefined },
      ],
      folders: ['m/'],
      next: 'n<1',
    });
  });

  it('knows the folders of a hierarchical namespace, and passes over other metadata', () => {
    const folder = '<Metadata><hdi_isfolder>true</hdi_isfolder></Metadata>';
    const name = '<Metadata><Name>other</Name><Etag>1</Etag></Metadata>';
    const type = '<ResourceType>directory</ResourceType>';
    const xml = list(
      blob('<Name>m/1</Name>', '', folder) +
        blob('<Name>m/2</Name>', type) +
        blob('<Name>m/x</Name>', '', name),
    );
    const { objects, next } = readBlobList(xml);
    assert.deepEqual(
      objects.map(({ key, token }) => [key, token]),
      [
        ['m/1/', '0x8D'],
        ['m/2/', '0x8D'],
        ['m/x', '0x8D'],
      ],
    );
    assert.equal(next, undefined);
  });

  it('refuses what is no listing', () => {
    for (const xml of ['', '<html/>', list('<Blob><Name>x</Name></Blob>'), list('<Blob></Blob>')]) {
      assert.throws(() => readBlobList(xml), { problem: 'failed' });
    }
  });
});

describe('accessOf', () => {
  const request = { method: 'GET', url: new URL('https://a/b'), headers: {} };
  const of = (env: Record<string, string>, credentials?: unknown) =>
    accessOf({ bucket: 'c', account: 'named', credentials, env });

  it('takes the account of the path, or of the variables, and its key', async () => {
    assert.equal(of({}).endpoint, 'https://named.blob.core.windows.net');
    assert.equal(await of({}).authorize(request), undefined);
    const keyed = of({ AZURE_STORAGE_ACCOUNT: 'acc', AZURE_STORAGE_KEY: 'a2V5' });
    assert.equal(keyed.endpoint, 'https://acc.blob.core.windows.net');
    assert.match((await keyed.authorize(request)) ?? '', /^SharedKey acc:/);
  });

  it('takes the entry of the credential file instead', async () => {
    const entry = { account_str: 'other', account_key: 'a2V5' };
    const access = of(
      { AZURE_STORAGE_ACCOUNT: 'acc', AZURE_STORAGE_CONNECTION_STRING: 'x' },
      entry,
    );
    assert.equal(access.endpoint, 'https://other.blob.core.windows.net');
    assert.match((await access.authorize(request)) ?? '', /^SharedKey other:/);
    for (const wrong of ['secret', { account_key: 1 }, null]) {
      assert.throws(() => of({}, wrong), {
        message: /^the credential file's entry for as is wrong/,
      });
    }
    assert.throws(() => of({}, { auth_type: 'x' }), { message: /^auth_type: expected key,/ });
  });

  it('reads a connection string', async () => {
    const read = (text: string) => of({ AZURE_STORAGE_CONNECTION_STRING: text });
    const keyed = read(
      'DefaultEndpointsProtocol=https;AccountName=a;AccountKey=a2V5==;EndpointSuffix=x.cn',
    );
    assert.equal(keyed.endpoint, 'https://a.blob.x.cn');
    assert.match((await keyed.authorize(request)) ?? '', /^SharedKey a:/);
    const signed = read('BlobEndpoint=https://h/;SharedAccessSignature=?sv=1&sig=s%2B');
    assert.deepEqual([signed.endpoint, signed.query], ['https://h', 'sv=1&sig=s%2B']);
    assert.equal(await signed.authorize(request), undefined);
    assert.throws(() => read('nonsense'), { message: /names no account$/ });
  });
});

describe('sharedKey', () => {
  it('signs method, headers, path and sorted query', () => {
    const url = new URL('https://acc.blob.core.windows.net/c/a%20b?restype=container&comp=list');
    const headers = { 'x-ms-version': '2023-11-03', 'x-ms-date': 'now', 'if-match': '"1"' };
    const signed = sharedKey({ method: 'GET', url, headers }, 'acc', 'a2V5');
    const other = sharedKey({ method: 'GET', url: new URL(`${url}x`), headers }, 'acc', 'a2V5');
    assert.match(signed, /^SharedKey acc:[A-Za-z0-9+/]{43}=$/);
    assert.notEqual(signed, other);
  });
});

describe('BlobStore', () => {
  const problems = [
    [403, 'AuthenticationFailed', 'denied', 'denied'],
    [409, 'PublicAccessNotPermitted', 'denied', 'denied'],
    [404, 'ContainerNotFound', 'missing', 'missing'],
    [404, 'BlobNotFound', 'missing', 'changed'],
    [412, 'ConditionNotMet', 'changed', 'changed'],
    [503, 'ServerBusy', 'busy', 'busy'],
    [400, 'InvalidUri', 'failed', 'failed'],
  ] as const;
  for (const [status, code, ofList, ofOpen] of problems) {
    it(`calls ${code} ${ofList} of a listing, ${ofOpen} of a blob`, async () => {
      using server = await serving((_request, response) => {
        response.writeHead(status, { 'x-ms-error-code': code }).end('secret');
      });
      const access = { endpoint: server.url, query: '', authorize: async () => undefined };
      const store = new BlobStore(access, 'c');
      const message = `${code}, status ${status}`;
      const listing = store.list({ prefix: '', deep: true, signal });
      await assert.rejects(listing, { problem: ofList, message });
      await assert.rejects(store.open(OBJECT, signal), { problem: ofOpen, message });
    });
  }

  it('reads the version that was listed, with what every address gets', async () => {
    let asked: readonly unknown[] = [];
    using server = await serving(({ url, headers }, response) => {
      asked = [url, headers['if-match'], headers.authorization];
      response.end('x');
    });
    const access = {
      endpoint: `${server.url}/acc`,
      query: 'sig=s%2B',
      authorize: async () => 'auth',
    };
    const { body } = await new BlobStore(access, 'c').open(OBJECT, signal);
    for await (const piece of body) assert.equal(Buffer.from(piece).toString(), 'x');
    assert.deepEqual(asked, ['/acc/c/m/1/a%20b?sig=s%2B', '"0x7"', 'auth']);
  });
});

describe('tokens', () => {
  it('come from the identity of the machine, and are kept', async () => {
    const asked: (string | undefined)[] = [];
    using server = await serving(({ url, headers }, response) => {
      asked.push(`${url} ${headers['metadata'] ?? headers['x-identity-header']}`);
      response.end(JSON.stringify({ access_token: 't', expires_in: '3600' }));
    });
    const machine = managedIdentityToken({ AZURE_POD_IDENTITY_AUTHORITY_HOST: server.url }, 'me');
    assert.deepEqual([await machine(), await machine()], ['t', 't']);
    const service = managedIdentityToken(
      { IDENTITY_ENDPOINT: `${server.url}/msi`, IDENTITY_HEADER: 'h' },
      '',
    );
    assert.equal(await service(), 't');
    const resource = 'resource=https%3A%2F%2Fstorage.azure.com%2F';
    assert.deepEqual(asked, [
      `/metadata/identity/oauth2/token?${resource}&client_id=me&api-version=2018-02-01 true`,
      `/msi?${resource}&api-version=2019-08-01 h`,
    ]);
  });

  it('come from a federated token or a secret', async (t) => {
    const bodies: string[] = [];
    using server = await serving(async (request, response) => {
      const pieces = await request.toArray();
      bodies.push(`${request.url} ${Buffer.concat(pieces)}`);
      response.end(JSON.stringify({ access_token: 't', expires_in: 1 }));
    });
    const folder = mkdtempSync(join(tmpdir(), 'nereid-test-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, 'token');
    writeFileSync(file, 'jwt\n');
    const env = {
      AZURE_TENANT_ID: 'ten',
      AZURE_CLIENT_ID: 'cli',
      AZURE_AUTHORITY_HOST: server.url,
    };
    await chainToken({ ...env, AZURE_FEDERATED_TOKEN_FILE: file }, '')();
    const secret = chainToken({ ...env, AZURE_CLIENT_SECRET: 's' }, '');
    // One that ends so soon is not kept.
    await secret();
    await secret();
    assert.equal(bodies.length, 3);
    assert.match(
      bodies[0] ?? '',
      /^\/ten\/oauth2\/v2\.0\/token .*client_id=cli.*client_assertion=jwt$/,
    );
    assert.match(bodies[1] ?? '', /client_secret=s$/);
  });

  it('say whether it is worth to try again', async () => {
    let status = 400;
    using server = await serving((_request, response) => {
      response.writeHead(status).end('secret');
    });
    const token = managedIdentityToken({ AZURE_POD_IDENTITY_AUTHORITY_HOST: server.url }, '');
    await assert.rejects(token(), { problem: 'denied', message: 'no access token: status 400' });
    status = 503;
    await assert.rejects(token(), { problem: 'busy', message: 'no access token: status 503' });
    status = 200;
    await assert.rejects(token(), {
      problem: 'failed',
      message: 'no access token: the answer has none',
    });
  });
});
