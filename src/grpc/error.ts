// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { GrpcReply } from '../addon/control-call.ts';
import { grpcNumber, ServeError } from '../base/status.ts';

const NO_BODY = new Uint8Array(0);

/** An answer that carries a message. */
export function messageReply(body: Uint8Array): GrpcReply {
  return { code: 0, message: '', body };
}

/** The status of an error. */
export function errorReply(thrown: unknown): GrpcReply {
  const error = ServeError.from(thrown);
  return { code: grpcNumber(error.code), message: error.message, body: NO_BODY };
}
