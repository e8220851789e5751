// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { STATUS_TABLE, type StatusCode } from './status-table.gen.ts';

export type { StatusCode } from './status-table.gen.ts';

const byNumber = new Map<number, StatusCode>(
  (Object.keys(STATUS_TABLE) as StatusCode[]).map((name) => [STATUS_TABLE[name].grpc, name]),
);

/** Canonical gRPC number of a code. */
export function grpcNumber(code: StatusCode): number {
  return STATUS_TABLE[code].grpc;
}

/** The HTTP status that carries a code. */
export function httpStatus(code: StatusCode): number {
  return STATUS_TABLE[code].http;
}

/** The code of a gRPC number; Unknown for numbers that are not in protos/status.json. */
export function statusCodeFromNumber(number: number): StatusCode {
  return byNumber.get(number) ?? 'Unknown';
}

/**
 * The one error that leaves a room: a code and a sentence fit for the client.
 * `message` never holds file paths or addresses; what only the operator may see goes into `cause`.
 */
export class ServeError extends Error {
  override readonly name = 'ServeError';
  readonly code: StatusCode;

  constructor(code: StatusCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }

  /**
   * Turns whatever was thrown into a ServeError.
   * A ServeError comes back as it is. An error of the addon (numeric `code`) keeps its code and sentence; an AbortError
   * becomes Cancelled; a TimeoutError DeadlineExceeded; anything else Internal. The original becomes `cause`.
   */
  static from(thrown: unknown): ServeError {
    if (thrown instanceof ServeError) return thrown;
    if (!(thrown instanceof Error))
      return new ServeError('Internal', String(thrown), { cause: thrown });
    return new ServeError(codeOf(thrown), thrown.message, { cause: thrown });
  }
}

function codeOf(error: Error): StatusCode {
  if (error.name === 'AbortError') return 'Cancelled';
  if (error.name === 'TimeoutError') return 'DeadlineExceeded';
  const code: unknown = 'code' in error ? error.code : undefined;
  return typeof code === 'number' && code !== 0 ? statusCodeFromNumber(code) : 'Internal';
}

export const invalidArgument = (message: string): ServeError =>
  new ServeError('InvalidArgument', message);
export const notFound = (message: string): ServeError => new ServeError('NotFound', message);
export const unavailable = (message: string): ServeError => new ServeError('Unavailable', message);
export const unimplemented = (message: string): ServeError =>
  new ServeError('Unimplemented', message);
export const internal = (message: string, cause?: unknown): ServeError =>
  new ServeError('Internal', message, cause === undefined ? undefined : { cause });
