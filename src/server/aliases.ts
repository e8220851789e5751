// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { RouteAliases } from '../addon/routes.ts';
import { invalidArgument } from '../base/status.ts';
import type { ServerOptions } from '../config/server-options.ts';

/**
 * What the SageMaker and the Vertex AI port serve under their paths.
 * @param predictModel model of Vertex AI's predict route; see `vertexAiModel`
 * @param loaded models of SageMaker's multi-model endpoint
 */
export function routeAliases(
  options: ServerOptions,
  predictModel: string,
  loaded: readonly string[],
): RouteAliases {
  return {
    ping: options.sagemakerPingMode,
    invocationsModel: options.sagemakerDefaultModel,
    invocationsKind: options.sagemakerInferenceType,
    loaded,
    healthRoute: options.vertexAiHealthRoute,
    predictRoute: options.vertexAiPredictRoute,
    predictModel,
  };
}

/**
 * The model of Vertex AI's predict route, once models are loaded.
 * @param served names of the models that serve
 * @throws ServeError InvalidArgument in Triton's words
 */
export function vertexAiModel(options: ServerOptions, served: readonly string[]): string {
  if (options.vertexAiPredictRoute === '') {
    throw failure('API_PREDICT_ROUTE is not defined for Vertex AI endpoint');
  }
  if (options.vertexAiHealthRoute === '') {
    throw failure('AIP_HEALTH_ROUTE is not defined for Vertex AI endpoint');
  }
  const wanted = options.vertexAiDefaultModel;
  if (wanted !== '') {
    if (served.includes(wanted)) return wanted;
    throw failure(`Expect the default model '${wanted}' is loaded`);
  }
  const [only, second] = served;
  if (only !== undefined && second === undefined) return only;
  throw failure(
    'Expect the model repository contains only a single model if default model is not specified',
  );
}

const failure = (reason: string): Error =>
  invalidArgument(`failed to start Vertex AI service: Invalid argument - ${reason}`);
