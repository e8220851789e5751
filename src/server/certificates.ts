// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { PemFile, TlsOptions } from '../addon/listen-options.ts';
import type { Engine } from '../addon/types.ts';
import type { Log } from '../base/log.ts';
import { invalidArgument, ServeError } from '../base/status.ts';
import type { TlsFilePath, TlsFiles } from '../config/tls-files.ts';

/** How soon a change of the files is seen without a signal. */
const LOOK_EVERY_MS = 60_000;

/**
 * Reads the files of one port; what is in them is native's to judge.
 * @throws ServeError InvalidArgument that names the flag, the file and the reason
 */
export function readTls(files: TlsFiles): TlsOptions {
  const certificate = readPem(files.certificate);
  const key = readPem(files.key);
  if (files.clientCa === undefined) return { certificate, key };
  return { certificate, key, clientCa: readPem(files.clientCa) };
}

function readPem({ flag, path }: TlsFilePath): PemFile {
  try {
    return { name: path, pem: readFileSync(path) };
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw invalidArgument(`--${flag}: expected a PEM file that can be read: ${reason}`);
  }
}

/** @returns when the server's certificate ends, or undefined when Node cannot tell */
function endOf({ certificate }: TlsOptions): Date | undefined {
  try {
    return new Date(new X509Certificate(certificate.pem).validTo);
  } catch {
    return undefined;
  }
}

interface Port {
  readonly what: string;
  readonly id: number;
  readonly files: TlsFiles;
  stamp: string;
}

/** Keeps the open ports' certificates at what their files hold. */
export class Certificates implements Disposable {
  readonly #engine: Engine;
  readonly #log: Log;
  readonly #ports: Port[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(engine: Engine, log: Log) {
    this.#engine = engine;
    this.#log = log;
  }

  /**
   * Says early, before models load, that a port could not open.
   * @throws ServeError InvalidArgument that names the file and what is wrong with it
   */
  check(files: TlsFiles): void {
    const tls = readTls(files);
    this.#engine.checkTls(tls);
    const end = endOf(tls);
    if (end !== undefined && end.getTime() < Date.now()) {
      this.#log.warning(
        `the certificate in '${files.certificate.path}' ended at ${end.toISOString()}: clients refuse it until it is renewed`,
      );
    }
  }

  /** Follows the files of a port that has just been opened with them. @param id the listener's */
  follow(what: string, id: number, files: TlsFiles): void {
    // What changed since they were read is seen at the first look.
    this.#ports.push({ what, id, files, stamp: '' });
    this.#timer ??= setInterval(() => void this.renew('changed'), LOOK_EVERY_MS).unref();
  }

  /** Reads the files of every port again, or of those whose files have changed. Failures are logged. */
  async renew(which: 'all' | 'changed'): Promise<void> {
    for (const port of this.#ports) {
      const stamp = await stampOf(port.files);
      const isFirstLook = port.stamp === '';
      if (which === 'changed' && stamp === port.stamp) continue;
      port.stamp = stamp;
      this.#renewPort(port, which === 'changed' && isFirstLook);
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#ports.length = 0;
  }

  #renewPort({ what, id, files }: Port, isQuiet: boolean): void {
    try {
      const tls = readTls(files);
      this.#engine.renewTls(id, tls);
      const until = endOf(tls)?.toISOString() ?? 'an unknown time';
      if (!isQuiet)
        this.#log.info(`the certificates of ${what} were read again: valid until ${until}`);
    } catch (thrown) {
      const { message } = ServeError.from(thrown);
      this.#log.warning(`the certificates of ${what} stay as they were: ${message}`);
    }
  }
}

/** Differs when a file was written or replaced. */
async function stampOf(files: TlsFiles): Promise<string> {
  const parts = [files.certificate, files.key, files.clientCa].map(async (file) => {
    if (file === undefined) return '-';
    const found = await stat(file.path).catch(() => undefined);
    return found === undefined ? 'missing' : `${found.mtimeMs} ${found.size} ${found.ino}`;
  });
  return (await Promise.all(parts)).join(' | ');
}
