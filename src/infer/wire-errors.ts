// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { invalidArgument, type ServeError, unimplemented } from '../base/status.ts';
import { MAX_TEXT_SEQUENCE_ID } from './request.ts';

/** A JSON part, a tensor given as JSON, or a raw tensor over --http-max-input-size. */
export const jsonTooLarge = (bytes: number, limit: number): ServeError =>
  invalidArgument(
    `Request JSON size of ${bytes} bytes exceeds the maximum allowed value of ${limit} bytes. ` +
      'Use --http-max-input-size to increase the limit.',
  );

export const sharedMemoryDisabled = (): ServeError =>
  unimplemented(
    "Client shared memory is disabled. Start the server with '--allow-client-shm=true' to enable.",
  );

/** @throws ServeError Unimplemented for a sequence id that is text and too long */
export function checkTextSequenceId(text: string): void {
  if (Buffer.byteLength(text) > MAX_TEXT_SEQUENCE_ID) {
    throw unimplemented('string correlation ID cannot be longer than 128 characters');
  }
}
