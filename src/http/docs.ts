// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ControlCall, HttpReply } from '../addon/control-call.ts';
import type { RouteRow } from '../addon/routes.ts';
import type { ModelQueries } from '../control/models.ts';
import { modelPage, serverPage } from './docs-page.ts';
import { jsonReply } from './error.ts';
import { writeJson } from './json.ts';
import { type DocumentedModel, modelDocument, serverDocument } from './openapi.ts';
import type { DocsRoute } from './routes.ts';

/** OpenAPI documents and pages, from the table of routes and the metadata of the models. */
export interface DocsApi {
  readonly name: string;
  readonly version: string;
  /** those that this server answers */
  readonly routes: readonly RouteRow[];
  readonly models: Pick<ModelQueries, 'metadata' | 'config' | 'names'>;
  /** FP16 and BF16 may be numbers in JSON */
  readonly real16Json: boolean;
}

/** @throws ServeError NotFound for a model that does not serve */
export function handleDocs(route: DocsRoute, call: ControlCall, api: DocsApi): HttpReply {
  const { name, version, routes, models } = api;
  if (route.model === '') {
    if (route.what === 'page') return serverPage(name, models.names(), routes);
    const info = { title: name, version, description: 'KServe v2 inference protocol' };
    return jsonReply(writeJson(serverDocument(info, routes)));
  }
  const model = documented(route.model, api);
  const { versions, platform } = models.metadata(route.model, '');
  if (route.what === 'page') return modelPage(model, versions, platform, originOf(call), routes);
  const info = {
    title: model.name,
    version: versions.at(-1) ?? '',
    description: `Model ${model.name}, platform ${platform}`,
  };
  return jsonReply(writeJson(modelDocument(info, model, routes)));
}

function documented(name: string, { models, real16Json }: DocsApi): DocumentedModel {
  const { inputs, outputs } = models.metadata(name, '');
  const config = models.config(name, '');
  return {
    name,
    inputs: inputs.map((input) => ({
      ...input,
      optional: config.input.find((one) => one.name === input.name)?.optional === true,
    })),
    outputs,
    decoupled: config.model_transaction_policy?.decoupled === true,
    real16Json,
  };
}

/** As the client wrote it, when that is a plain host. */
function originOf({ headers }: ControlCall): string {
  const at = headers.findIndex((text, index) => index % 2 === 0 && text === 'host');
  const host = at < 0 ? '' : (headers[at + 1] ?? '');
  return `http://${/^[\w.-]+(?::\d+)?$|^\[[\da-f:.]+\](?::\d+)?$/i.test(host) ? host : 'localhost:8000'}`;
}
