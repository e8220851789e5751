// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { RouteRow } from '../addon/routes.ts';
import type { TensorMetadata } from '../control/models.ts';
import { type ExampleRequest, exampleRequest } from './example-request.ts';
import {
  dataSchema,
  type RouteWords,
  ref,
  SCHEMAS,
  type Schema,
  WORDS,
} from './openapi-schemas.ts';

/** What a document says of itself. */
export interface DocumentInfo {
  readonly title: string;
  readonly version: string;
  readonly description: string;
}

/** A model as its document and page need it. */
export interface DocumentedModel {
  readonly name: string;
  readonly inputs: readonly (TensorMetadata & { readonly optional: boolean })[];
  readonly outputs: readonly TensorMetadata[];
  /** infer refuses it over HTTP, generate_stream serves it */
  readonly decoupled: boolean;
  /** FP16 and BF16 may be numbers in JSON */
  readonly real16Json: boolean;
}

/** Names of path parameters. */
const PARAMETERS: Readonly<Record<string, string>> = {
  '{m}': 'model_name',
  '{v}': 'model_version',
  '{r}': 'name',
};

/** The OpenAPI 3.1 document of the server, from its table of routes. */
export function serverDocument(info: DocumentInfo, routes: readonly RouteRow[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const row of routes) {
    for (const pattern of variants(row.pattern)) {
      const path = pattern.replace(/\{[mvr]\}/g, (name) => `{${PARAMETERS[name] ?? ''}}`);
      paths[path] = operations(row, path, SCHEMAS);
    }
  }
  return document(info, paths, SCHEMAS);
}

/** The document of one model: its routes with its name, and requests with its inputs. */
export function modelDocument(
  info: DocumentInfo,
  model: DocumentedModel,
  routes: readonly RouteRow[],
): object {
  const schemas = { ...SCHEMAS, InferRequest: inferSchema(model) };
  const paths: Record<string, Record<string, object>> = {};
  for (const row of modelRoutes(model, routes)) {
    const path = modelPath(row, model.name);
    paths[path] = operations(row, path, schemas);
  }
  return document(info, paths, schemas);
}

/** Routes of one model, without versions. */
export function modelRoutes(
  { decoupled }: Pick<DocumentedModel, 'decoupled'>,
  routes: readonly RouteRow[],
): RouteRow[] {
  return routes.filter(
    ({ pattern, management }) =>
      /^\/v\d\/models\/\{m\}/.test(pattern) &&
      !management &&
      !(decoupled && /(?:\/infer|\/generate|:predict)$/.test(pattern)),
  );
}

export const modelPath = ({ pattern }: Pick<RouteRow, 'pattern'>, model: string): string =>
  pattern.replace(/\[[^\]]*\]/g, '').replace('{m}', () => encodeURIComponent(model));

/** What must be sent to a model. */
export function exampleOf(model: DocumentedModel): ExampleRequest {
  const inputs = model.inputs.filter(({ optional }) => !optional);
  return exampleRequest({ inputs, outputs: model.outputs }, model.real16Json);
}

function document(info: DocumentInfo, paths: object, schemas: object): object {
  return {
    openapi: '3.1.0',
    info,
    servers: [{ url: '/' }],
    paths,
    components: { schemas },
  };
}

/** With and without each part in brackets. */
function variants(pattern: string): string[] {
  const part = /\[([^\]]*)\]/.exec(pattern);
  if (part === null) return [pattern];
  return ['', part[1] ?? ''].flatMap((text) => variants(pattern.replace(part[0], () => text)));
}

function operations(
  row: RouteRow,
  path: string,
  schemas: Readonly<Record<string, Schema>>,
): Record<string, object> {
  const result: Record<string, object> = {};
  for (const method of row.methods) {
    const words = WORDS.get(`${method} ${row.pattern}`) ?? { summary: `${method} ${path}` };
    result[method.toLowerCase()] = operation(row, method, path, words, schemas);
  }
  return result;
}

function operation(
  row: RouteRow,
  method: string,
  path: string,
  words: RouteWords,
  schemas: Readonly<Record<string, Schema>>,
): object {
  const parameters = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const error = { description: 'An error', content: json('Error') };
  const { request, response } = words;
  const examples = request === undefined ? {} : exampleIn(schemas[request]);
  const isStream = row.pattern.endsWith('generate_stream');
  const good = isStream
    ? { 'text/event-stream': { schema: { type: 'string' } } }
    : response === undefined
      ? undefined
      : json(response);
  return {
    operationId: `${method.toLowerCase()}${path.replace(/[^A-Za-z0-9]+/g, '_').replace(/_$/, '')}`,
    summary: words.summary,
    tags: [row.api],
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(request === undefined
      ? {}
      : {
          requestBody: {
            required: request === 'InferRequest',
            content: { 'application/json': { schema: ref(request), ...examples } },
          },
        }),
    responses: {
      200: { description: 'Good', ...(good === undefined ? {} : { content: good }) },
      default: error,
    },
  };
}

const json = (name: string): object => ({ 'application/json': { schema: ref(name) } });

/** An example stands beside the schema, where tools look for one to try. */
function exampleIn(schema: Schema | undefined): object {
  const [example] = Array.isArray(schema?.examples) ? (schema.examples as unknown[]) : [];
  return example === undefined ? {} : { example };
}

function inferSchema(model: DocumentedModel): Schema {
  const required = model.inputs.filter(({ optional }) => !optional).length;
  const { json, tailBytes } = exampleOf(model);
  return {
    type: 'object',
    properties: {
      id: { type: 'string' },
      parameters: { type: 'object' },
      inputs: {
        type: 'array',
        minItems: required,
        maxItems: model.inputs.length,
        items: model.inputs.length === 0 ? {} : { oneOf: model.inputs.map(inputSchema) },
      },
      outputs: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            name: { enum: model.outputs.map(({ name }) => name) },
            parameters: { type: 'object' },
          },
          required: ['name'],
        },
      },
    },
    required: ['inputs'],
    // A binary tail has no place in a JSON example.
    ...(tailBytes === 0 ? { examples: [JSON.parse(json) as unknown] } : {}),
  };
}

function inputSchema({ name, datatype, shape }: TensorMetadata): Schema {
  const dims = shape.map((dim) => (dim < 0n ? { type: 'integer', minimum: 0 } : { const: dim }));
  return {
    type: 'object',
    properties: {
      name: { const: name },
      datatype: { const: datatype },
      shape: { type: 'array', prefixItems: dims, minItems: dims.length, maxItems: dims.length },
      parameters: { type: 'object' },
      data: dataSchema(datatype),
    },
    required: ['name', 'datatype', 'shape'],
  };
}
