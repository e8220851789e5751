// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { address, bool, both, type Flag, ignored, int32, OWN_THREADS, port } from './flag.ts';

/** The Vertex AI port. */
export interface VertexAiOptions {
  readonly allowVertexAi: boolean;
  readonly vertexAiAddress: string;
  readonly vertexAiPort: number;
  /** empty = the only model that serves */
  readonly vertexAiDefaultModel: string;
  /** `AIP_PREDICT_ROUTE`; the service does not start without it */
  readonly vertexAiPredictRoute: string;
  /** `AIP_HEALTH_ROUTE`; the service does not start without it */
  readonly vertexAiHealthRoute: string;
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptyVertexAiOptions: VertexAiOptions = {
  allowVertexAi: false,
  vertexAiAddress: '',
  vertexAiPort: 0,
  vertexAiDefaultModel: '',
  vertexAiPredictRoute: '',
  vertexAiHealthRoute: '',
};

export const vertexAiFlags: readonly Flag<VertexAiOptions>[] = [
  {
    name: 'allow-vertex-ai',
    group: 'Vertex AI',
    value: '<boolean>',
    help: 'Listen for requests of Vertex AI; the default is true where AIP_MODE=PREDICTION.',
    defaults: both('false'),
    set: (draft, value) => {
      draft.allowVertexAi = bool(value);
    },
  },
  {
    name: 'vertex-ai-address',
    group: 'Vertex AI',
    value: '<string>',
    help: 'Address the Vertex AI port binds.',
    defaults: { tritonserver: '0.0.0.0', nereid: '127.0.0.1' },
    set: (draft, value) => {
      draft.vertexAiAddress = address(value);
    },
  },
  {
    name: 'vertex-ai-port',
    group: 'Vertex AI',
    value: '<integer>',
    help: 'Port for Vertex AI requests; the default is AIP_HTTP_PORT where it is set.',
    defaults: both('8080'),
    set: (draft, value) => {
      draft.vertexAiPort = port(value);
    },
  },
  ignored('vertex-ai-thread-count', 'Vertex AI', '<integer>', OWN_THREADS, int32),
  {
    name: 'vertex-ai-default-model',
    group: 'Vertex AI',
    value: '<string>',
    help: 'Model of the predict route; the only model that serves when left out.',
    set: (draft, value) => {
      draft.vertexAiDefaultModel = value;
    },
  },
];
