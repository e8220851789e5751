// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

export interface PredictCall {
  /** JSON with `instances` or `inputs` */
  readonly body: Uint8Array;
  /** names the call whose client waits */
  readonly token: number;
}

/** Answers predictions of the KServe v1 protocol. */
export interface Predictor {
  /**
   * `POST /v1/models/{model}:predict`; ends early when the client goes away. Rejects with ServeError.
   * @returns JSON with `predictions` or `outputs`
   */
  predict(model: string, call: PredictCall): Promise<string>;
}
