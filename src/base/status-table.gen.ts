// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// Written by scripts/gen-status.ts from protos/status.json. Do not edit.

/** Every status by name: its gRPC number, its name on the wire and the HTTP status that carries it. */
export const STATUS_TABLE = {
  Ok: { grpc: 0, wire: 'OK', http: 200 },
  Cancelled: { grpc: 1, wire: 'CANCELLED', http: 400 },
  Unknown: { grpc: 2, wire: 'UNKNOWN', http: 400 },
  InvalidArgument: { grpc: 3, wire: 'INVALID_ARGUMENT', http: 400 },
  DeadlineExceeded: { grpc: 4, wire: 'DEADLINE_EXCEEDED', http: 504 },
  NotFound: { grpc: 5, wire: 'NOT_FOUND', http: 404 },
  AlreadyExists: { grpc: 6, wire: 'ALREADY_EXISTS', http: 400 },
  PermissionDenied: { grpc: 7, wire: 'PERMISSION_DENIED', http: 403 },
  ResourceExhausted: { grpc: 8, wire: 'RESOURCE_EXHAUSTED', http: 429 },
  Unimplemented: { grpc: 12, wire: 'UNIMPLEMENTED', http: 501 },
  Internal: { grpc: 13, wire: 'INTERNAL', http: 500 },
  Unavailable: { grpc: 14, wire: 'UNAVAILABLE', http: 503 },
  Unauthenticated: { grpc: 16, wire: 'UNAUTHENTICATED', http: 401 },
} as const;

export type StatusCode = keyof typeof STATUS_TABLE;
