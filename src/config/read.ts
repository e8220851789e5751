// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { ConfigError, type ConfigProblem } from './config-error.ts';
import { locateInJson, parseConfigJson } from './json-config.ts';
import type { ConfigSource, ModelConfig } from './model-config.ts';
import { locateInPbtxt, parsePbtxt } from './pbtxt.ts';

/**
 * Reads `config.pbtxt` (protobuf text format). Nothing is checked beyond the format and nothing filled in:
 * `completeModelConfig` does both.
 * @param text the whole file; an empty text is an empty configuration
 * @param file how errors name the file, e.g. `digits/config.pbtxt`
 * @throws ConfigError (a ServeError, InvalidArgument), `file:line:column: field path: what is wrong; remedy`
 */
export function readModelConfig(text: string, file: string): ModelConfig {
  return parsePbtxt(text, file);
}

/**
 * Reads a configuration in protobuf JSON (the `config` parameter of the load API): camelCase and snake_case keys,
 * integers as numbers or strings, enum values by name or number.
 * @param file how errors name the text; default `config`
 * @throws ConfigError, `Invalid config override: file:line:column: field path: …`
 */
export function parseModelConfigJson(text: string, file = 'config'): ModelConfig {
  return parseConfigJson(text, file);
}

/** The error for a problem found after reading, with line and column where the text is at hand. */
export function configError(problem: ConfigProblem, source: ConfigSource | undefined): ConfigError {
  if (!source) return new ConfigError(problem);
  const locate = source.format === 'pbtxt' ? locateInPbtxt : locateInJson;
  return new ConfigError(problem, source.file, locate(source.text, problem.path));
}
