// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { invalidArgument } from '../base/status.ts';
import type { ModelConfig } from '../config/model-config.ts';

/** A request becomes at most this many parts. */
const MAX_PARTS = 4096;

const KEY = 'max_request_rows';

/**
 * Rows that one request may have beyond `max_batch_size`, as `parameters["max_request_rows"]` says; undefined = none.
 * @throws ServeError InvalidArgument for a number that is none or too large, and for models whose requests cannot be
 * split
 */
export function maxRequestRows(config: ModelConfig): number | undefined {
  const text = config.parameters.get(KEY)?.string_value;
  if (text === undefined) return undefined;
  const size = config.max_batch_size;
  if (size === 0) throw wrong('a model with a batch dimension (max_batch_size > 0)');
  if (config.model_transaction_policy?.decoupled) throw wrong('a model that is not decoupled');
  if (config.sequence_batching) throw wrong("a model without 'sequence_batching'");
  if (config.ensemble_scheduling) throw wrong('a model that is no ensemble');
  const rows = Number(text);
  const most = Math.min(size * MAX_PARTS, Number.MAX_SAFE_INTEGER);
  if (!/^\d+$/.test(text) || rows < size || rows > most)
    throw wrong(`a number of rows from max_batch_size (${size}) to ${most}`, text);
  return rows > size ? rows : undefined;
}

function wrong(expected: string, got?: string): Error {
  const end = got === undefined ? '' : `, got '${got}'`;
  return invalidArgument(`parameters["${KEY}"]: expected ${expected}${end}`);
}
