// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { RouteRow } from '../addon/routes.ts';
import type { ServerOptions } from '../config/server-options.ts';
import type { ControlService } from '../control/service.ts';
import type { DocsApi } from '../http/docs.ts';
import { matchRoute } from '../http/routes.ts';

/** Documents name the routes that this server answers. */
export function docsApi(
  options: ServerOptions,
  { metadata, models }: ControlService,
  table: readonly RouteRow[],
): DocsApi {
  const routes = table.filter((row) => row.service === 'http' && isOn(row, options));
  return {
    name: metadata.name,
    version: metadata.version,
    routes,
    models,
    real16Json: options.real16Json,
  };
}

function isOn({ pattern }: RouteRow, options: ServerOptions): boolean {
  if (pattern === '/v2/health/details' || pattern === '/v2/memory') return options.diagnosticsApi;
  const kind = matchRoute(pattern.replace(/\[[^\]]*\]/g, ''))?.route.kind;
  if (kind === 'test-backend') return options.enableTestBackends;
  return kind !== 'kserve' || options.kserveApi;
}
