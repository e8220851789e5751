// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { HttpReply } from '../addon/control-call.ts';
import { httpStatus, ServeError } from '../base/status.ts';
import { writeJson } from './json.ts';

const JSON_HEADERS = ['content-type', 'application/json'] as const;

/** An answer that carries JSON. */
export function jsonReply(body: string, status = 200): HttpReply {
  return { status, headers: JSON_HEADERS, body };
}

/** `{"error": …}` under the status of the error's code. */
export function errorReply(thrown: unknown): HttpReply {
  const error = ServeError.from(thrown);
  const reply = jsonReply(writeJson({ error: error.message }), httpStatus(error.code));
  // A queue that is full now is likely to have room in a second; native answers the same.
  if (reply.status !== 429) return reply;
  return { ...reply, headers: [...reply.headers, 'retry-after', '1'] };
}

export function notFoundReply(): HttpReply {
  return jsonReply('{"error":"Not Found"}', 404);
}

export function methodReply(allowed: readonly string[]): HttpReply {
  return {
    status: 405,
    headers: [...JSON_HEADERS, 'allow', allowed.join(', ')],
    body: '{"error":"Method Not Allowed"}',
  };
}
