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
  /** microseconds from the arrival of a request to its answer; undefined = batches follow the configuration */
  readonly latencyTargetUs: number | undefined;
  /** microseconds after which a request moves up by a class; undefined = there are no classes */
  readonly classAgeingUs: number | undefined;
}

export type Admission = 'off' | 'predicted_wait';

/**
 * Reads what a configuration says of load. Pure.
 * @throws ServeError InvalidArgument for a value that is none
 */
export function loadParameters(config: ModelConfig): LoadParameters {
  if (config.sequence_batching !== undefined) checkSequences(config);
  return {
    maxQueueBytes: byteCount(config, 'max_queue_bytes'),
    admission: word(config, 'admission', ['off', 'predicted_wait']),
    latencyTargetUs: latencyTarget(config),
    classAgeingUs: classAgeing(config),
  };
}

/** Sequences are served in the order of their arrival, each at the pace of its client. */
function checkSequences(config: ModelConfig): void {
  if (word(config, 'admission', ['off', 'predicted_wait']) === 'predicted_wait') {
    throw invalidArgument(
      `parameters["admission"]: expected 'off' for a model with 'sequence_batching': a sequence waits until another ends, which nobody can predict`,
    );
  }
  const given = ['priority_classes', 'priority_class_ageing_ms'].find((key) =>
    config.parameters.has(key),
  );
  if (given !== undefined && textOf(config, given) !== 'false') {
    throw invalidArgument(
      `parameters["${given}"]: expected a model without 'sequence_batching', whose sequences are served in the order of their arrival`,
    );
  }
}

const MAX_TARGET_MS = 3_600_000;

function latencyTarget(config: ModelConfig): number | undefined {
  const key = 'latency_target_ms';
  const text = textOf(config, key);
  if (text === undefined) return undefined;
  if (config.dynamic_batching === undefined) {
    throw invalidArgument(
      `parameters["${key}"]: expected a model with dynamic_batching, whose fields are its bounds; add 'dynamic_batching { }'`,
    );
  }
  const ms = Number(text);
  if (/^\d+(?:\.\d+)?$/.test(text) && ms >= 0.001 && ms <= MAX_TARGET_MS)
    return Math.round(ms * 1000);
  throw wrong(key, `0.001 to ${MAX_TARGET_MS} milliseconds`, text);
}

/** Who has waited for a second is as urgent as the next class. */
const CLASS_AGEING_MS = '1000';

function classAgeing(config: ModelConfig): number | undefined {
  if (word(config, 'priority_classes', ['true', 'false']) !== 'true') return undefined;
  const batching = config.dynamic_batching;
  const against = [
    ['priority_levels', (batching?.priority_levels ?? 0n) > 0n],
    ['preserve_ordering', batching?.preserve_ordering === true],
    ['timeout_action: DELAY', batching?.default_queue_policy?.timeout_action === 'DELAY'],
  ] as const;
  for (const [field, given] of against) {
    if (given) {
      throw invalidArgument(
        `parameters["priority_classes"]: expected a model without '${field}', whose order it would change`,
      );
    }
  }
  const key = 'priority_class_ageing_ms';
  const text = textOf(config, key) ?? CLASS_AGEING_MS;
  const ms = Number(text);
  if (/^\d+$/.test(text) && ms >= 1 && ms <= MAX_AGEING_MS) return ms * 1000;
  throw wrong(key, `1 to ${MAX_AGEING_MS} milliseconds`, text);
}

const MAX_AGEING_MS = 86_400_000;

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
