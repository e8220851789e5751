// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { TestAuthority } from '../../test/support/certificates.ts';
import { addonError, FakeEngine } from '../../test/support/fake-engine.ts';
import { FakeServer } from '../../test/support/fake-server.ts';
import { TempRepository } from '../../test/support/temp-repository.ts';
import { Log } from '../base/log.ts';
import type { TlsFiles } from '../config/tls-files.ts';
import { Certificates, readTls } from './certificates.ts';

function filesIn(folder: string): TlsFiles {
  return {
    certificate: { flag: 'https-cert', path: join(folder, 'cert') },
    key: { flag: 'https-key', path: join(folder, 'key') },
  };
}

/** Certificates of one port over a fake engine, with their log lines. */
function follow(folder: string): { engine: FakeEngine; certificates: Certificates; log: string[] } {
  const engine = new FakeEngine();
  const log: string[] = [];
  const certificates = new Certificates(engine, new Log(undefined, (line) => log.push(line)));
  certificates.follow('--http-port', 7, filesIn(folder));
  return { engine, certificates, log };
}

describe('Certificates', () => {
  it('names flag and file when a file cannot be read', () => {
    assert.throws(() => readTls(filesIn('/nowhere')), {
      code: 'InvalidArgument',
      message: /^--https-cert: expected a PEM file that can be read: ENOENT.*'\/nowhere\/cert'$/,
    });
  });

  it('reads a changed file again, and an unchanged one only when told so', async () => {
    using folder = new TempRepository();
    await folder.write('cert', 'one');
    await folder.write('key', 'one');
    const { engine, certificates } = follow(folder.path);
    using _ = certificates;
    const renewals = (): number => engine.events.length;
    await certificates.renew('changed');
    const before = renewals();
    await certificates.renew('changed');
    assert.equal(renewals(), before);
    await folder.write('key', 'another');
    await certificates.renew('changed');
    assert.equal(renewals(), before + 1);
    await certificates.renew('all');
    assert.equal(renewals(), before + 2);
    assert.equal(engine.events.at(-1), `renewTls 7 ${join(folder.path, 'cert')}`);
  });

  it('keeps what it has, says why once, and tries again when the files change', async () => {
    using folder = new TempRepository();
    await folder.write('cert', 'one');
    await folder.write('key', 'one');
    const { engine, certificates, log } = follow(folder.path);
    using _ = certificates;
    engine.tlsError = addonError(3, "'key': expected another");
    await certificates.renew('changed');
    await certificates.renew('changed');
    assert.equal(log.length, 1);
    assert.match(
      log[0] ?? '',
      /^W.*certificates of --http-port stay as they were: 'key': expected/,
    );
    engine.tlsError = undefined;
    await folder.write('key', 'another');
    await certificates.renew('changed');
    assert.equal(engine.events.length, 1);
  });

  it('is checked before a model loads', async () => {
    using repository = new TempRepository();
    await repository.addIdentity('m');
    using authority = new TestAuthority('authority');
    const { certificate, key } = authority.issue('server');
    await using fake = new FakeServer(repository.path, { httpsCert: certificate, httpsKey: key });
    fake.engine.tlsError = addonError(3, "'server.key': expected a private key");
    await assert.rejects(fake.server.start('*'), { message: /server\.key/ });
    assert.deepEqual(fake.engine.plans.size, 0);
    fake.engine.tlsError = undefined;
    await fake.server.start('*');
    fake.server.listenOn('http');
    fake.server.listenOn('grpc');
    assert.deepEqual(
      fake.engine.events.filter((event) => event.startsWith('listen')),
      ['listen http with TLS', 'listen grpc'],
    );
  });

  it('warns of a certificate that has ended', () => {
    using authority = new TestAuthority('authority');
    const { certificate, key } = authority.issue('server', -1);
    const log: string[] = [];
    using certificates = new Certificates(
      new FakeEngine(),
      new Log(undefined, (line) => log.push(line)),
    );
    certificates.check({
      certificate: { flag: 'https-cert', path: certificate },
      key: { flag: 'https-key', path: key },
    });
    assert.match(
      log.join(),
      /W.*server\.crt' ended at 20.*: clients refuse it until it is renewed/,
    );
  });
});
