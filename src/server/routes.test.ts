// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadBinding } from '../addon/binding.ts';
import type { RouteRow } from '../addon/routes.ts';
import { grpcMethods } from '../grpc/handlers.ts';
import { matchRoute } from '../http/routes.ts';

const table = loadBinding().routes;
const GRPC_SERVICE = '/inference.GRPCInferenceService/';

/** Every path a row stands for: with and without each part in brackets. */
function examples(pattern: string): string[] {
  const optional = /\[([^\]]*)\]/.exec(pattern);
  if (optional !== null) {
    return ['', optional[1] ?? ''].flatMap((part) =>
      examples(pattern.replace(optional[0], () => part)),
    );
  }
  return [pattern.replaceAll('{m}', 'model').replaceAll('{r}', 'name').replaceAll('{v}', '3')];
}

const rowsOf = (service: RouteRow['service'], native: boolean): RouteRow[] =>
  table.filter((row) => row.service === service && row.native === native);

describe('the table of routes', () => {
  it('has a category, a scope and a method for every route', () => {
    assert.ok(table.length > 40);
    for (const { pattern, api, scope, methods } of table) {
      assert.match(api, /^(?!none$)/, pattern);
      assert.match(scope, /^(?:infer|manage|metrics|public)$/, pattern);
      assert.ok(methods.length > 0, pattern);
    }
  });

  it('has no row twice', () => {
    const names = table.map(({ service, pattern }) => `${service} ${pattern}`);
    assert.deepEqual(
      names.filter((name, i) => names.indexOf(name) !== i),
      [],
    );
  });

  for (const { pattern, methods } of rowsOf('http', false)) {
    it(`agrees with TypeScript about ${pattern}`, () => {
      for (const path of examples(pattern)) {
        const match = matchRoute(path);
        assert.ok(match !== undefined, `src/http/routes.ts does not know ${path}`);
        assert.deepEqual([...match.methods].sort(), [...methods].sort(), path);
      }
    });
  }

  it('lists the gRPC methods that TypeScript answers, and no other', () => {
    const inTable = rowsOf('grpc', false)
      .filter(({ pattern }) => pattern.startsWith(GRPC_SERVICE))
      .map(({ pattern }) => pattern.slice(GRPC_SERVICE.length));
    assert.deepEqual(inTable.sort(), [...grpcMethods].sort());
  });
});
