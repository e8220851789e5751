// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0
import type { ModelConfig } from './model-config.ts';

/**
 * Reads `config.pbtxt` (protobuf text format). Nothing is checked beyond the format and nothing filled in:
 * `completeModelConfig` does both.
 * @param text the whole file; an empty text is an empty configuration
 * @param file how errors name the file, e.g. `digits/config.pbtxt`
 * @throws ServeError InvalidArgument, `file:line:column: field path: what is wrong, what was expected, remedy`
 */
export function readModelConfig(text: string, file: string): ModelConfig {
  throw new Error(`not built yet: ${text.length} ${file}`);
}

/**
 * Reads a configuration in protobuf JSON (the `config` parameter of the load API): camelCase and snake_case keys,
 * integers as numbers or strings, enum values by name or number.
 * @param file how errors name the text; default `config`
 * @throws ServeError InvalidArgument, `file:line:column: field path: …`
 */
export function parseModelConfigJson(text: string, file = 'config'): ModelConfig {
  throw new Error(`not built yet: ${text.length} ${file}`);
}
