// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import textformat from 'protobufjs/ext/textformat.js';
import { ConfigError, type Position, positionAt } from './config-error.ts';
import { asModelConfig, toPlain } from './message.ts';
import type { ModelConfig } from './model-config.ts';
import { scanPbtxt } from './pbtxt-scan.ts';
import { modelConfigType } from './proto.ts';

/** Characters of configuration that are read at all; real ones have a few thousand. */
export const MAX_CONFIG_CHARACTERS = 1 << 20;

/** A configuration nobody writes by hand: refused before a parser sees it. */
export function checkSize(text: string, file: string): void {
  if (text.length <= MAX_CONFIG_CHARACTERS) return;
  throw new ConfigError(
    {
      path: '',
      text:
        `the configuration has ${text.length} characters, at most ${MAX_CONFIG_CHARACTERS} are read; ` +
        'is this the right file?',
      phase: 'read',
    },
    file,
  );
}

/**
 * Reads protobuf text format. protobufjs does the reading; only after a failure our own walk finds the place.
 * @throws ConfigError
 */
export function parsePbtxt(text: string, file: string): ModelConfig {
  checkSize(text, file);
  const type = modelConfigType();
  try {
    // The byte order mark that some editors write is no part of the text.
    return asModelConfig(toPlain(type, textformat.fromText(type, text.replace(/^\uFEFF/, ' '))));
  } catch (thrown) {
    throw diagnose(text, file, thrown);
  }
}

/** Line and column of a field, or of the nearest field around it that is written. */
export function locateInPbtxt(text: string, path: string): Position | undefined {
  const { offsets } = scanPbtxt(text, modelConfigType());
  const offset = nearest(offsets, path);
  return offset === undefined ? undefined : positionAt(text, offset);
}

/** Offset of `path`, or of what holds it: `input[0].dims` stands in for `input[0].dims[3]`. */
export function nearest(offsets: ReadonlyMap<string, number>, path: string): number | undefined {
  for (let at = path; at; at = at.replace(/(?:\.\w+|\[(?:\d+|"(?:[^"\\]|\\.)*")\]|^\w+)$/, '')) {
    const offset = offsets.get(at);
    if (offset !== undefined) return offset;
  }
  return undefined;
}

function diagnose(text: string, file: string, cause: unknown): ConfigError {
  const { problem } = scanPbtxt(text.replace(/^\uFEFF/, ' '), modelConfigType());
  if (problem)
    return new ConfigError(
      { path: problem.path, text: problem.text, phase: 'read' },
      file,
      positionAt(text, problem.offset),
    );
  const said = cause instanceof Error ? cause.message : String(cause);
  const line = /\(line (\d+)\)$/.exec(said)?.[1];
  return new ConfigError(
    { path: '', text: said.replace(/ \(line \d+\)$/, ''), phase: 'read' },
    file,
    line ? { line: Number(line), column: 1 } : undefined,
  );
}
