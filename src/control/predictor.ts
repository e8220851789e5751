// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/** Answers predictions of the KServe v1 protocol. */
export interface Predictor {
  /**
   * `POST /v1/models/{model}:predict`. Rejects with ServeError.
   * @param body JSON with `instances` or `inputs`
   * @returns JSON with `predictions` or `outputs`
   */
  predict(model: string, body: Uint8Array): Promise<string>;
}
