// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ControlCall, GrpcReply, HttpReply } from '../addon/control-call.ts';

/**
 * Answers infer calls in TypeScript, under `--infer-path=typescript`: reads, checks and writes by itself and shares
 * only the engine with the native path, so that the two can be compared.
 */
export interface InferPath {
  /**
   * `POST /v2/models/{model}[/versions/{version}]/infer`. Rejects with ServeError.
   * @param version empty when the path names none
   */
  http(call: ControlCall, model: string, version: string): Promise<HttpReply>;
  /** `ModelInfer`: one encoded request in, one encoded response out. Rejects with ServeError. */
  grpc(call: ControlCall): Promise<GrpcReply>;
}
