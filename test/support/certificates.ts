// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Paths of a certificate and its key. */
export interface Identity {
  readonly certificate: string;
  readonly key: string;
}

const EXTENSIONS = `[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[peer]
subjectAltName = DNS:localhost,IP:127.0.0.1
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
`;

/** A certificate authority in a folder of its own, removed with it. Needs the `openssl` program. */
export class TestAuthority implements Disposable {
  readonly folder: string;
  /** PEM file */
  readonly certificate: string;
  readonly #key: string;

  constructor(name: string) {
    this.folder = mkdtempSync(join(tmpdir(), 'nereid-certificates-'));
    writeFileSync(join(this.folder, 'extensions'), EXTENSIONS);
    const { certificate, key } = this.#make(name, 'authority', []);
    this.certificate = certificate;
    this.#key = key;
  }

  /** For `localhost` and 127.0.0.1, valid from now. @param days a negative number has ended already */
  issue(name: string, days = 2): Identity {
    return this.#make(name, 'peer', ['-CA', this.certificate, '-CAkey', this.#key], days);
  }

  /** Puts another certificate and key into the files of `old`, as a rotation does. */
  replace(old: Identity, by: Identity): void {
    copyFileSync(by.certificate, old.certificate);
    copyFileSync(by.key, old.key);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #make(name: string, section: string, signer: readonly string[], days = 2): Identity {
    const certificate = join(this.folder, `${name}.crt`);
    const key = join(this.folder, `${name}.key`);
    const config = join(this.folder, 'extensions');
    this.#openssl('genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', key);
    // A self-signed one is what `x509 -req` makes without a signer.
    const request = join(this.folder, `${name}.csr`);
    this.#openssl('req', '-new', '-key', key, '-subj', `/CN=${name}`, '-out', request);
    const by = signer.length > 0 ? [...signer, '-CAcreateserial'] : ['-signkey', key];
    this.#openssl(
      ...['x509', '-req', '-in', request, '-days', String(days), '-sha256', ...by],
      ...['-extfile', config, '-extensions', section, '-out', certificate],
    );
    return { certificate, key };
  }

  #openssl(...args: readonly string[]): void {
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  }
}
