// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { Service } from './routes.ts';

/** A call that native hands to TypeScript. `headers` is flat: name, value, name, value … (names in lower case). */
export interface ControlCall {
  /** names the call in `reply`; unique in the life of the process */
  readonly token: number;
  readonly protocol: 'http' | 'grpc';
  /** of a call that Vertex AI redirected, the service whose route it took */
  readonly service: Service;
  /** HTTP: the method; gRPC: always `POST` */
  readonly method: string;
  /** HTTP: the request target without the query; gRPC: `/package.Service/Method` */
  readonly path: string;
  readonly query: string;
  readonly headers: readonly string[];
  /** HTTP: the body; gRPC: one message without its 5-byte prefix. Owned by JavaScript (copied). */
  readonly body: Uint8Array;
  readonly remoteAddress: string;
}

/** A call that waits in native for its model to be loaded. `replyGrpc` answers it; with OK it is served anew. */
export interface ModelDemand {
  readonly token: number;
  readonly model: string;
  /** what it holds meanwhile */
  readonly bytes: number;
}

/** Answer to an HTTP control call; `headers` flat as above. Content-Length and Date are native's. */
export interface HttpReply {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: Uint8Array | string;
}

/** Answer to a gRPC control call: one message and OK, or a status. */
export interface GrpcReply {
  readonly code: number;
  readonly message: string;
  /** encoded response message without prefix; ignored unless code is 0 */
  readonly body: Uint8Array;
}
