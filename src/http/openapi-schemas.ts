// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { DataType } from '../addon/data-type.ts';

/** A JSON schema (draft 2020-12, as OpenAPI 3.1 has it). */
export type Schema = Readonly<Record<string, unknown>>;

const text: Schema = { type: 'string' };
const integer: Schema = { type: 'integer' };
const list = (items: Schema): Schema => ({ type: 'array', items });
const object = (properties: Schema, required: readonly string[] = []): Schema => ({
  type: 'object',
  properties,
  ...(required.length > 0 ? { required } : {}),
});

export const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

const DATATYPES: readonly DataType[] = [
  'BOOL',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'FP16',
  'FP32',
  'FP64',
  'BYTES',
  'BF16',
];

/** Elements in row-major order, flat or nested. */
export function dataSchema(datatype: DataType): Schema {
  const element = elementType(datatype);
  return list({ anyOf: [{ type: element }, { type: 'array' }] });
}

function elementType(datatype: DataType): string {
  if (datatype === 'BOOL') return 'boolean';
  if (datatype === 'BYTES') return 'string';
  return /^U?INT/.test(datatype) ? 'integer' : 'number';
}

const tensor = object(
  {
    name: text,
    datatype: { enum: DATATYPES },
    shape: list(integer),
    parameters: { type: 'object' },
    data: { type: 'array' },
  },
  ['name', 'datatype', 'shape'],
);

const tensorMetadata = object({ name: text, datatype: { enum: DATATYPES }, shape: list(integer) });

/** Components that every document has. */
export const SCHEMAS: Readonly<Record<string, Schema>> = {
  Error: object({ error: text }, ['error']),
  ServerMetadata: object({ name: text, version: text, extensions: list(text) }),
  ModelMetadata: object({
    name: text,
    versions: list(text),
    platform: text,
    inputs: list(tensorMetadata),
    outputs: list(tensorMetadata),
    properties: { type: 'object', additionalProperties: text },
  }),
  InferRequest: object(
    {
      id: text,
      parameters: { type: 'object' },
      inputs: list(tensor),
      outputs: list(object({ name: text, parameters: { type: 'object' } }, ['name'])),
    },
    ['inputs'],
  ),
  InferResponse: object({
    id: text,
    model_name: text,
    model_version: text,
    parameters: { type: 'object' },
    outputs: list(tensor),
  }),
  Statistics: object({ model_stats: list({ type: 'object' }) }),
  IndexRequest: object({ ready: { type: 'boolean' } }),
  Index: list(object({ name: text, version: text, state: text, reason: text }, ['name'])),
  LoadRequest: object({
    parameters: {
      type: 'object',
      properties: { config: { type: 'string', description: 'ModelConfig as JSON' } },
      patternProperties: { '^file:': { type: 'string', contentEncoding: 'base64' } },
    },
  }),
  UnloadRequest: object({
    parameters: object({ unload_dependents: { type: 'boolean' } }),
  }),
  HealthDetails: object(
    {
      live: { type: 'boolean' },
      ready: { type: 'boolean' },
      exiting: { type: 'boolean' },
      memory: object({ used_bytes: integer, limit_bytes: integer }),
      instances: list(
        object({
          model: text,
          version: text,
          index: integer,
          state: { enum: ['serving', 'poisoned', 'rebuilding', 'lost'] },
          reason: text,
          failed_attempts: integer,
          poisonings: integer,
        }),
      ),
      event_loop: object({ age_ms: { type: ['integer', 'null'] } }),
      policy: { enum: ['off', 'all', 'known', 'any', 'listed'] },
      listed: list(text),
      waits_for: list(text),
      models: list(object({ name: text, version: text, state: text, reason: text }, ['name'])),
    },
    ['live', 'ready', 'exiting', 'memory', 'instances', 'event_loop'],
  ),
  Memory: object({
    limit_bytes: integer,
    used_bytes: integer,
    peak_bytes: integer,
    kinds: object({ requests_bytes: integer, tensors_bytes: integer, other_bytes: integer }),
    idle_bytes: integer,
    models: list(
      object({
        name: text,
        version: text,
        tensors_bytes: integer,
        idle_bytes: integer,
        runtime_bytes: integer,
        loaded_bytes: integer,
      }),
    ),
    process: { type: 'object', additionalProperties: integer },
    allocator: { type: 'object', additionalProperties: integer },
  }),
  Models: object({ models: list(text) }),
  Predictions: object({ predictions: { type: 'array' }, outputs: {} }),
  PredictRequest: object({ instances: { type: 'array' }, inputs: {} }),
  Object: { type: 'object' },
};

/** What is said of a route. */
export interface RouteWords {
  readonly summary: string;
  /** names in `SCHEMAS` */
  readonly request?: string;
  readonly response?: string;
}

const generate = { request: 'Object', response: 'Object' } as const;

/** By method and pattern; a route without words is described by them alone. */
export const WORDS: ReadonlyMap<string, RouteWords> = new Map<string, RouteWords>([
  ['GET /v2', { summary: 'The server', response: 'ServerMetadata' }],
  ['GET /v2/health/live', { summary: 'Whether the server lives' }],
  ['GET /v2/health/ready', { summary: 'Whether every model asked for serves' }],
  [
    'GET /v2/health/details',
    { summary: 'Why the server and its models are ready or not', response: 'HealthDetails' },
  ],
  ['GET /v2/memory', { summary: 'What holds memory', response: 'Memory' }],
  ['GET /v2/models/{m}[/versions/{v}]/ready', { summary: 'Whether the model serves' }],
  ['GET /v2/models/{m}[/versions/{v}]', { summary: 'The model', response: 'ModelMetadata' }],
  [
    'GET /v2/models/{m}[/versions/{v}]/config',
    { summary: 'The complete configuration', response: 'Object' },
  ],
  ['GET /v2/models/{m}[/versions/{v}]/stats', { summary: 'Statistics', response: 'Statistics' }],
  [
    'GET /v2/models/{m}[/versions/{v}]/batching',
    { summary: 'How the model forms its batches, and why', response: 'Object' },
  ],
  ['GET /v2/models/stats', { summary: 'Statistics of every model', response: 'Statistics' }],
  [
    'POST /v2/models/{m}[/versions/{v}]/infer',
    { summary: 'Infer', request: 'InferRequest', response: 'InferResponse' },
  ],
  [
    'POST /v2/models/{m}[/versions/{v}]/generate',
    { summary: 'Infer with the inputs by name', ...generate },
  ],
  [
    'POST /v2/models/{m}[/versions/{v}]/generate_stream',
    { summary: 'The same, answers as server-sent events', request: 'Object' },
  ],
  [
    'POST /v2/repository[/{r}]/index',
    { summary: 'The models of the repositories', request: 'IndexRequest', response: 'Index' },
  ],
  [
    'POST /v2/repository[/{r}]/models/{m}/load',
    { summary: 'Load or reload a model', request: 'LoadRequest' },
  ],
  [
    'POST /v2/repository[/{r}]/models/{m}/unload',
    { summary: 'Unload a model', request: 'UnloadRequest' },
  ],
  ['GET /v2/models', { summary: 'Models that serve', response: 'Models' }],
  ['GET /v1/models', { summary: 'Models that serve (KServe v1)', response: 'Models' }],
  ['GET /v1/models/{m}', { summary: 'Whether the model serves (KServe v1)', response: 'Object' }],
  [
    'POST /v1/models/{m}:predict',
    { summary: 'Predict (KServe v1)', request: 'PredictRequest', response: 'Predictions' },
  ],
]);
