// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ControlCall, HttpReply } from '../addon/control-call.ts';
import { notFound, ServeError, unavailable, unimplemented } from '../base/status.ts';
import type { ModelQueries } from '../control/models.ts';
import type { Predictor } from '../control/predictor.ts';
import { jsonReply } from './error.ts';
import { writeJson } from './json.ts';
import type { KServeRoute } from './routes.ts';

/** What KServe's clients know and Triton answers with 404. */
export interface KServeApi {
  readonly models: Pick<ModelQueries, 'names' | 'presence' | 'isReady' | 'ensure'>;
  /** loaded with the first prediction */
  readonly predictor: () => Promise<Predictor>;
}

/** Answers in KServe's words. Rejects with ServeError. */
export async function handleKServe(
  route: KServeRoute,
  call: ControlCall,
  { models, predictor }: KServeApi,
): Promise<HttpReply> {
  switch (route.what) {
    case 'live':
      return jsonReply('{"status":"alive"}');
    case 'models':
      return jsonReply(writeJson({ models: models.names() }));
    case 'model':
      await ensure(models, route.model);
      checkReady(models, route.model);
      if (!models.isReady(route.model)) throw notReady(route.model);
      return jsonReply(writeJson({ name: route.model, ready: true }));
    case 'predict':
      await ensure(models, route.model);
      checkReady(models, route.model);
      return jsonReply(await (await predictor()).predict(route.model, call));
    case 'explain':
      checkReady(models, route.model);
      throw unimplemented(`Model with name ${route.model} has no explainer.`);
  }
}

/** An unknown model is told of in KServe's words, by what looks for it next. */
async function ensure(models: KServeApi['models'], model: string): Promise<void> {
  try {
    await models.ensure(model);
  } catch (thrown) {
    const error = ServeError.from(thrown);
    if (error.code !== 'NotFound') throw error;
  }
}

function checkReady(models: KServeApi['models'], model: string): void {
  const presence = models.presence(model);
  if (presence === 'unknown') throw notFound(`Model with name ${model} does not exist.`);
  if (presence === 'waiting') throw notReady(model);
}

const notReady = (model: string): ServeError =>
  unavailable(`Model with name ${model} is not ready.`);
