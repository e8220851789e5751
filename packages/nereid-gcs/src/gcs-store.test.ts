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
import { gzipSync } from 'node:zlib';
import { accessTokens } from './access-tokens.ts';
import { connectionError } from './errors.ts';
import { GcsStore } from './gcs-store.ts';
import { openStore } from './index.ts';

const { signal } = new AbortController();
const OBJECT = { key: 'm/1/a b', bytes: 1, token: '7' };

/** A store at a server that answers as the test says. */
async function serving(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const endpoint = `http://127.0.0.1:${port}`;
  return {
    endpoint,
    store: new GcsStore({ bucket: 'b', endpoint, token: async () => 'secret' }),
    [Symbol.dispose]: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

describe('GcsStore', () => {
  it('asks for one page of a listing with its token, and reads it', async () => {
    const asked: (string | undefined)[] = [];
    using served = await serving(({ url, headers }, response) => {
      asked.push(url, headers.authorization);
      const item = { name: 'm/1/x', size: '5', generation: '7', md5Hash: 'a==', crc32c: 'b==' };
      response.end(JSON.stringify({ items: [item], prefixes: ['m/'], nextPageToken: 'n' }));
    });
    const page = await served.store.list({ prefix: 'm/', deep: false, next: 'p', signal });
    assert.deepEqual(page, {
      objects: [{ key: 'm/1/x', bytes: 5, token: '7', md5: 'a==', crc32c: 'b==' }],
      folders: ['m/'],
      next: 'n',
    });
    const { pathname, searchParams } = new URL(asked[0] ?? '', served.endpoint);
    assert.equal(pathname, '/storage/v1/b/b/o');
    assert.equal(searchParams.get('delimiter'), '/');
    assert.equal(searchParams.get('pageToken'), 'p');
    assert.equal(asked[1], 'Bearer secret');
  });

  it('takes an empty listing, and refuses what is none', async () => {
    let text = '{}';
    using served = await serving((_request, response) => response.end(text));
    const list = () => served.store.list({ prefix: '', deep: true, signal });
    assert.deepEqual(await list(), { objects: [], folders: [], next: undefined });
    for (text of ['<html>', '{"items": 3}', '{"items": [{"name": 3}]}']) {
      await assert.rejects(list(), { problem: 'failed' });
    }
  });

  it('reads the generation that was listed', async () => {
    let asked = '';
    using served = await serving(({ url = '' }, response) => {
      asked = url;
      response.end('x');
    });
    const { body } = await served.store.open(OBJECT, signal);
    const pieces: Uint8Array[] = [];
    for await (const piece of body) pieces.push(piece);
    assert.equal(Buffer.concat(pieces).toString(), 'x');
    assert.equal(asked, '/storage/v1/b/b/o/m%2F1%2Fa%20b?alt=media&generation=7');
  });

  it('asks for what is stored, and decodes only what was encoded for the way', async () => {
    const packed = gzipSync('text');
    let stored: string | undefined;
    let asked: string | undefined;
    using served = await serving(({ headers }, response) => {
      asked = String(headers['accept-encoding']);
      if (stored !== undefined) response.setHeader('x-goog-stored-content-encoding', stored);
      response.setHeader('content-encoding', 'gzip').end(packed);
    });
    const open = async () => {
      const { body, encoding } = await served.store.open(OBJECT, signal);
      const pieces: Uint8Array[] = [];
      for await (const piece of body) pieces.push(piece);
      return [encoding, Buffer.concat(pieces).toString('hex')];
    };
    const asStored = ['gzip', packed.toString('hex')];
    assert.deepEqual(await open(), asStored);
    assert.equal(asked, 'gzip');
    stored = 'gzip';
    assert.deepEqual(await open(), asStored);
    stored = 'identity';
    assert.deepEqual(await open(), [undefined, Buffer.from('text').toString('hex')]);
  });

  const problems = [
    [401, 'denied', 'denied'],
    [403, 'denied', 'denied'],
    [404, 'missing', 'changed'],
    [412, 'changed', 'changed'],
    [408, 'busy', 'busy'],
    [429, 'busy', 'busy'],
    [503, 'busy', 'busy'],
    [400, 'failed', 'failed'],
  ] as const;
  for (const [status, ofList, ofOpen] of problems) {
    it(`calls ${status} ${ofList} of a listing, ${ofOpen} of an object`, async () => {
      using served = await serving((_request, response) => {
        response.statusCode = status;
        response.end('secret');
      });
      const message = `status ${status}`;
      const list = served.store.list({ prefix: '', deep: true, signal });
      await assert.rejects(list, { problem: ofList, message });
      await assert.rejects(served.store.open(OBJECT, signal), { problem: ofOpen, message });
    });
  }

  it('calls a connection that breaks busy', async () => {
    using served = await serving((_request, response) => {
      response.setHeader('content-length', 10);
      response.write('x', () => response.destroy());
    });
    const { body } = await served.store.open(OBJECT, signal);
    await assert.rejects(
      async () => {
        for await (const piece of body) assert.equal(piece.length, 1);
      },
      { problem: 'busy' },
    );
    const code = 'DEPTH_ZERO_SELF_SIGNED_CERT';
    const untrusted = new TypeError('fetch failed', {
      cause: Object.assign(new Error(), { code }),
    });
    assert.deepEqual({ ...connectionError(untrusted) }, { problem: 'failed' });
  });
});

describe('accessTokens', () => {
  it('refuses an entry that is no path, and a file that cannot be used', async () => {
    await assert.rejects(accessTokens({ secret: 1 }, {}), (thrown: Error) => {
      return (
        /expected the path of a key file/.test(thrown.message) && !/secret/.test(thrown.message)
      );
    });
    await assert.rejects(accessTokens('/nonexistent/key.json', {}), {
      problem: 'denied',
      message: 'the key file cannot be used: ENOENT',
    });
  });

  it('refuses a key file that is something else without repeating it', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'nereid-test-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, 'key.json');
    const texts = {
      'secret!': /it is no JSON object$/,
      '{"type": "secret"}': /expected type service_account or authorized_user/,
      '{"type": "service_account", "private_key": "secret"}': /it has no client_email$/,
    };
    for (const [text, message] of Object.entries(texts)) {
      writeFileSync(file, text);
      await assert.rejects(accessTokens(file, {}), (thrown: Error) => {
        return message.test(thrown.message) && !/secret/.test(thrown.message);
      });
    }
  });

  it('has none for whom wants none, and for the emulator', async () => {
    assert.equal(await (await accessTokens(undefined, { NEREID_GCS_ANONYMOUS: 'true' }))(), '');
    let authorization: string | undefined = 'unasked';
    using served = await serving(({ headers }, response) => {
      authorization = headers.authorization;
      response.end('{}');
    });
    const env = { STORAGE_EMULATOR_HOST: served.endpoint };
    const store = await openStore({ bucket: 'b', credentials: 'unused', env });
    await store.list({ prefix: '', deep: true, signal });
    assert.equal(authorization, undefined);
  });
});
