// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificate {
  /** PEM file */
  readonly certificate: string;
  /** PEM file */
  readonly key: string;
}

let made: Certificate | undefined;

/** One certificate for every server of a run, removed at its end. Needs the `openssl` program. */
export function benchCertificate(): Certificate {
  made ??= makeCertificate();
  return made;
}

/** Turns TLS on at the gRPC port, Nereid's and Triton's. */
export function tlsFlags(): readonly string[] {
  const { certificate, key } = benchCertificate();
  return [
    '--grpc-use-ssl=true',
    `--grpc-server-cert=${certificate}`,
    `--grpc-server-key=${key}`,
    `--grpc-root-cert=${certificate}`,
  ];
}

function makeCertificate(): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'nereid-bench-certificate-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const certificate = join(folder, 'server.crt');
  const key = join(folder, 'server.key');
  const subject = [
    '-subj',
    '/CN=localhost',
    '-addext',
    'subjectAltName=DNS:localhost,IP:127.0.0.1',
  ];
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject],
      ...['-keyout', key, '-out', certificate],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  return { certificate, key };
}
