// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { RegionKind } from '../addon/regions.ts';

/** What a path names. Versions are the digits of the path, empty when it has none. */
export type Route =
  | { readonly kind: 'server-metadata' }
  | { readonly kind: 'model-metadata'; readonly model: string; readonly version: string }
  | { readonly kind: 'model-config'; readonly model: string; readonly version: string }
  | { readonly kind: 'infer'; readonly model: string; readonly version: string }
  | { readonly kind: 'statistics'; readonly model: string; readonly version: string }
  | { readonly kind: 'memory' }
  | { readonly kind: 'log-settings' }
  | { readonly kind: 'batching'; readonly model: string; readonly version: string }
  /** model empty: the settings of the server */
  | { readonly kind: 'trace-settings'; readonly model: string }
  | { readonly kind: 'repository-index' }
  | { readonly kind: 'load'; readonly repository: string; readonly model: string }
  | { readonly kind: 'unload'; readonly repository: string; readonly model: string }
  | { readonly kind: 'test-backend'; readonly model: string; readonly version: string }
  /** `region` as the path has it, not decoded: Triton stores it so; empty = none */
  | {
      readonly kind: 'shared-memory-status' | 'shared-memory-register' | 'shared-memory-unregister';
      readonly memory: RegionKind;
      readonly region: string;
    }
  | KServeRoute
  | DocsRoute;

/** A page or an OpenAPI document, of a model or (model empty) of the server. */
export interface DocsRoute {
  readonly kind: 'docs';
  readonly what: 'page' | 'document';
  readonly model: string;
}

/** KServe's routes beyond those of the v2 protocol. `model` is empty where none is named. */
export interface KServeRoute {
  readonly kind: 'kserve';
  readonly what: 'live' | 'models' | 'model' | 'predict' | 'explain';
  readonly model: string;
}

/** A route and the methods it answers. */
export interface RouteMatch {
  readonly route: Route;
  readonly methods: readonly string[];
}

const GET = ['GET'] as const;
const POST = ['POST'] as const;
const GET_OR_POST = ['GET', 'POST'] as const;

const MODEL =
  /^\/v2\/models\/([^/]+)(?:\/versions\/(\d+))?(?:\/(infer|config|stats|batching|trace\/setting))?$/;
const REPOSITORY = /^\/v2\/repository(?:\/([^/]+))?\/(?:index|models\/([^/]+)\/(load|unload))$/;
const SHARED_MEMORY =
  /^\/v2\/(system|cuda)sharedmemory(?:\/region\/([^/]+))?\/(status|register|unregister)$/;
const DOCS = /^\/v2(?:\/models\/([^/]+))?\/docs(\/openapi\.json)?$/;
const V1_MODEL = /^\/v1\/models\/([^/]+?)(?::(predict|explain))?$/;
const TEST = /^\/v2\/test\/([^/]+)(?:\/versions\/(\d+))?$/;

/**
 * Finds the route of a path: full match, no trailing slash, query not included. Health and generate are answered in
 * native.
 * @returns undefined for a path that the protocol does not know
 */
export function matchRoute(path: string): RouteMatch | undefined {
  if (path === '/v2') return { route: { kind: 'server-metadata' }, methods: GET };
  if (path === '/v2/models/stats') {
    return { route: { kind: 'statistics', model: '', version: '' }, methods: GET };
  }
  if (path === '/v2/memory') return { route: { kind: 'memory' }, methods: GET };
  if (path === '/v2/logging') return { route: { kind: 'log-settings' }, methods: GET_OR_POST };
  if (path === '/v2/trace/setting') {
    return { route: { kind: 'trace-settings', model: '' }, methods: GET_OR_POST };
  }
  return (
    matchModel(path) ??
    matchRepository(path) ??
    matchSharedMemory(path) ??
    matchKServe(path) ??
    matchDocs(path) ??
    matchTest(path)
  );
}

function matchDocs(path: string): RouteMatch | undefined {
  const match = DOCS.exec(path);
  if (match === null) return undefined;
  const model = match[1] === undefined ? '' : decode(match[1]);
  if (model === undefined) return undefined;
  const what = match[2] === undefined ? 'page' : 'document';
  return { route: { kind: 'docs', what, model }, methods: GET };
}

function matchKServe(path: string): RouteMatch | undefined {
  if (path === '/') return { route: { kind: 'kserve', what: 'live', model: '' }, methods: GET };
  if (path === '/v1/models' || path === '/v2/models') {
    return { route: { kind: 'kserve', what: 'models', model: '' }, methods: GET };
  }
  const match = V1_MODEL.exec(path);
  const model = decode(match?.[1]);
  if (model === undefined) return undefined;
  const what = match?.[2];
  if (what === undefined) return { route: { kind: 'kserve', what: 'model', model }, methods: GET };
  const verb = what === 'predict' ? 'predict' : 'explain';
  return { route: { kind: 'kserve', what: verb, model }, methods: POST };
}

function matchModel(path: string): RouteMatch | undefined {
  const match = MODEL.exec(path);
  if (match === null) return undefined;
  const model = decode(match[1]);
  if (model === undefined) return undefined;
  const version = match[2] ?? '';
  switch (match[3]) {
    case undefined:
      return { route: { kind: 'model-metadata', model, version }, methods: GET };
    case 'config':
      return { route: { kind: 'model-config', model, version }, methods: GET };
    case 'stats':
      return { route: { kind: 'statistics', model, version }, methods: GET };
    case 'batching':
      return { route: { kind: 'batching', model, version }, methods: GET };
    case 'infer':
      return { route: { kind: 'infer', model, version }, methods: POST };
    default:
      if (version !== '') return undefined;
      return { route: { kind: 'trace-settings', model }, methods: GET_OR_POST };
  }
}

function matchRepository(path: string): RouteMatch | undefined {
  const match = REPOSITORY.exec(path);
  if (match === null) return undefined;
  const [, repository = '', name, verb] = match;
  if (name === undefined) return { route: { kind: 'repository-index' }, methods: POST };
  const model = decode(name);
  if (model === undefined) return undefined;
  const kind = verb === 'load' ? 'load' : 'unload';
  return { route: { kind, repository, model }, methods: POST };
}

function matchSharedMemory(path: string): RouteMatch | undefined {
  const match = SHARED_MEMORY.exec(path);
  if (match === null) return undefined;
  const memory = match[1] === 'cuda' ? 'cuda' : 'system';
  const region = match[2] ?? '';
  switch (match[3]) {
    case 'status':
      return { route: { kind: 'shared-memory-status', memory, region }, methods: GET };
    case 'register':
      return { route: { kind: 'shared-memory-register', memory, region }, methods: POST };
    default:
      return { route: { kind: 'shared-memory-unregister', memory, region }, methods: POST };
  }
}

function matchTest(path: string): RouteMatch | undefined {
  const match = TEST.exec(path);
  if (match === null) return undefined;
  const model = decode(match[1]);
  if (model === undefined) return undefined;
  return { route: { kind: 'test-backend', model, version: match[2] ?? '' }, methods: POST };
}

function decode(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
