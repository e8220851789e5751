// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { readFile } from 'node:fs/promises';
import { invalidArgument } from '../../base/status.ts';
import type { CloudScheme } from './cloud-path.ts';

/** The variable that names the credential file. */
const CREDENTIAL_PATH = 'TRITON_CLOUD_CREDENTIAL_PATH';

/**
 * Finds what a credential file says of a path: the entry with the longest prefix of it. `''` stands for every path.
 * @param text JSON: an object with `s3`, `gs` and `as`, each an object from prefixes to entries
 * @throws ServeError InvalidArgument for a file that is no such thing, or that says nothing of the path. What the file
 *   holds is never repeated.
 */
export function findCredentials(text: string, scheme: CloudScheme, path: string): unknown {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // The error of the parser quotes the text.
    throw invalidArgument(`the file of ${CREDENTIAL_PATH} is no JSON`);
  }
  const entries = isObject(parsed) ? (parsed[scheme] ?? {}) : undefined;
  if (!isObject(entries)) {
    throw invalidArgument(
      `the file of ${CREDENTIAL_PATH}: expected an object with an object '${scheme}' in it`,
    );
  }
  const [longest] = Object.keys(entries)
    .filter((prefix) => path.startsWith(prefix))
    .sort((a, b) => b.length - a.length);
  if (longest === undefined) {
    throw invalidArgument(`Cannot match credential for path  ${path}`);
  }
  return entries[longest];
}

/**
 * The credentials of a path, read anew whenever a connection is made.
 * @returns undefined when no file is named: the environment decides
 * @throws as `findCredentials`, and when the file cannot be read
 */
export async function readCredentials(
  scheme: CloudScheme,
  path: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<unknown> {
  const file = env[CREDENTIAL_PATH];
  if (file === undefined) return undefined;
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
    throw invalidArgument(`the file of ${CREDENTIAL_PATH} cannot be read: ${String(code)}`);
  });
  return findCredentials(text, scheme, path);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
