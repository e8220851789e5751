// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { invalidArgument } from '../base/status.ts';
import type { ModelConfig } from '../config/model-config.ts';

/** How a model meets more load than it can serve: settings under `parameters` of a configuration. */
export interface LoadParameters {
  /** bytes of inputs that may wait, 0 = no limit; undefined = the server's default */
  readonly maxQueueBytes: number | undefined;
  /** undefined = the server's default */
  readonly admission: Admission | undefined;
}

export type Admission = 'off' | 'predicted_wait';

/**
 * Reads what a configuration says of load. Pure.
 * @throws ServeError InvalidArgument for a value that is none
 */
export function loadParameters(config: ModelConfig): LoadParameters {
  return {
    maxQueueBytes: byteCount(config, 'max_queue_bytes'),
    admission: word(config, 'admission', ['off', 'predicted_wait']),
  };
}

function textOf(config: ModelConfig, key: string): string | undefined {
  return config.parameters.get(key)?.string_value;
}

function byteCount(config: ModelConfig, key: string): number | undefined {
  const text = textOf(config, key);
  if (text === undefined) return undefined;
  const bytes = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(bytes)) return bytes;
  throw wrong(key, 'a number of bytes, 0 = no limit', text);
}

function word<T extends string>(
  config: ModelConfig,
  key: string,
  words: readonly T[],
): T | undefined {
  const text = textOf(config, key);
  if (text === undefined) return undefined;
  const found = words.find((known) => known === text);
  if (found !== undefined) return found;
  throw wrong(key, words.map((known) => `'${known}'`).join(' or '), text);
}

function wrong(key: string, expected: string, text: string): Error {
  return invalidArgument(`parameters["${key}"]: expected ${expected}, got '${text}'`);
}
