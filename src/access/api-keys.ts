// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { createHash } from 'node:crypto';
import type { ApiKey, Scope } from '../addon/access-policy.ts';
import { invalidArgument } from '../base/status.ts';

const SCOPES: readonly Scope[] = ['infer', 'manage', 'metrics'];
const FIELDS = new Set(['name', 'key', 'sha256', 'scopes', 'models']);

/**
 * Reads a file of API keys: one JSON object a line, `key` or its `sha256`, `scopes`, and `models` (all of them without
 * it). Empty lines and lines that start with `#` say nothing.
 * @throws ServeError InvalidArgument that names the line and never shows a key
 */
export function parseApiKeys(text: string): ApiKey[] {
  const keys = new Map<string, ApiKey>();
  for (const [i, line] of text.split('\n').entries()) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const fail = (what: string) => invalidArgument(`API keys, line ${i + 1}: ${what}`);
    const key = parseKey(trimmed, fail);
    if (keys.has(key.sha256)) throw fail('this key stands in an earlier line');
    keys.set(key.sha256, key);
  }
  return [...keys.values()];
}

function parseKey(line: string, fail: (what: string) => Error): ApiKey {
  let row: unknown;
  try {
    row = JSON.parse(line);
  } catch {
    // The parser's own words would show a part of the key.
    throw fail('expected a JSON object');
  }
  if (typeof row !== 'object' || row === null || Array.isArray(row)) {
    throw fail('expected a JSON object');
  }
  const fields = row as Record<string, unknown>;
  const unknown = Object.keys(fields).find((field) => !FIELDS.has(field));
  if (unknown !== undefined) throw fail(`"${unknown}" is not known`);
  return {
    sha256: digestOf(fields, fail),
    scopes: scopesOf(fields.scopes, fail),
    models: fields.models === undefined ? ['*'] : texts(fields.models, '"models"', fail),
  };
}

function digestOf(fields: Record<string, unknown>, fail: (what: string) => Error): string {
  const { key, sha256 } = fields;
  if ((key === undefined) === (sha256 === undefined))
    throw fail('expected one of "key" and "sha256"');
  if (sha256 === undefined) {
    if (typeof key !== 'string' || key.length < 16 || !/^[\x21-\x7e]*$/.test(key)) {
      throw fail('expected a "key" of 16 visible characters or more');
    }
    return createHash('sha256').update(key).digest('hex');
  }
  if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/i.test(sha256)) {
    throw fail('expected a "sha256" of 64 hexadecimal digits');
  }
  return sha256.toLowerCase();
}

function scopesOf(given: unknown, fail: (what: string) => Error): Scope[] {
  return texts(given, '"scopes"', fail).map((word) => {
    const scope = SCOPES.find((known) => known === word);
    if (scope === undefined) throw fail(`"${word}" is no scope: expected ${SCOPES.join(', ')}`);
    return scope;
  });
}

function texts(given: unknown, what: string, fail: (what: string) => Error): string[] {
  if (!Array.isArray(given) || given.length === 0 || !given.every((one) => typeof one === 'string'))
    throw fail(`expected ${what} to be a list of texts`);
  return given as string[];
}

/** The scopes among words that others have given out for other things too. */
export function knownScopes(words: readonly string[]): Scope[] {
  return SCOPES.filter((scope) => words.includes(scope));
}
