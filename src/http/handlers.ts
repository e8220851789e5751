// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ControlCall, HttpReply } from '../addon/control-call.ts';
import { readBase64 } from '../base/base64.ts';
import { internal, invalidArgument, unimplemented } from '../base/status.ts';
import { modelConfigJson } from '../config/write.ts';
import type { InferPath } from '../control/infer-path.ts';
import type { LoadParameter } from '../control/repository.ts';
import type { SagemakerModels } from '../control/sagemaker.ts';
import type { ControlService } from '../control/service.ts';
import type { IndexRow } from '../lifecycle/model-state.ts';
import { type DocsApi, handleDocs } from './docs.ts';
import { errorReply, jsonReply, methodReply, notFoundReply } from './error.ts';
import { readJsonObject, writeJson } from './json.ts';
import { handleKServe, type KServeApi } from './kserve.ts';
import { matchRoute, type Route } from './routes.ts';
import { handleSagemaker } from './sagemaker.ts';
import { readLogChanges, readTraceChanges } from './settings.ts';
import { regionsJson, registerRegion } from './shared-memory.ts';

export interface HttpHandlerOptions {
  readonly control: ControlService;
  /** present under `--infer-path=typescript` */
  readonly inferPath?: InferPath | undefined;
  /** present when the SageMaker port is on */
  readonly sagemaker?: SagemakerModels | undefined;
  /** present when KServe's routes are on */
  readonly kserve?: KServeApi | undefined;
  /** present when pages and OpenAPI documents are on */
  readonly docs?: DocsApi | undefined;
  /** GET /v2/memory */
  readonly diagnostics?: boolean;
  /** may one ask how models form batches */
  readonly tuningApi?: boolean;
  /** the `/v2/test` door; absent unless test backends are on */
  readonly testDoor?:
    | ((model: string, version: string, json: string) => Promise<string>)
    | undefined;
}

/** What succeeds without a word is announced as JSON all the same, as Triton does. */
const EMPTY: HttpReply = jsonReply('');

const EMPTY_PAGE: HttpReply = {
  status: 200,
  headers: ['content-type', 'text/plain; charset=utf-8'],
  body: '',
};

/**
 * Answers one HTTP call that native handed over. Never rejects: what goes wrong becomes the answer.
 */
export async function handleHttp(
  call: ControlCall,
  options: HttpHandlerOptions,
): Promise<HttpReply> {
  // The metrics port answers any other path with an empty page, as Triton does.
  if (call.service === 'metrics') return call.method === 'GET' ? EMPTY_PAGE : methodReply(['GET']);
  if (call.service === 'sagemaker') {
    return options.sagemaker ? handleSagemaker(call, options.sagemaker) : notFoundReply();
  }
  try {
    const match = matchRoute(call.path);
    if (match === undefined) return notFoundReply();
    if (isOff(match.route, options)) return notFoundReply();
    if (!match.methods.includes(call.method)) return methodReply(match.methods);
    return await answer(match.route, call, options);
  } catch (error) {
    return errorReply(error);
  }
}

/** What is off does not exist. */
function isOff(
  { kind }: Route,
  { diagnostics, docs, kserve, testDoor, tuningApi }: HttpHandlerOptions,
): boolean {
  if (kind === 'memory') return diagnostics !== true;
  if (kind === 'batching') return tuningApi !== true;
  if (kind === 'test-backend') return testDoor === undefined;
  if (kind === 'docs') return docs === undefined;
  return kind === 'kserve' && kserve === undefined;
}

async function answer(
  route: Route,
  call: ControlCall,
  { control, docs, inferPath, kserve, testDoor }: HttpHandlerOptions,
): Promise<HttpReply> {
  switch (route.kind) {
    case 'server-metadata':
      return jsonReply(writeJson(control.metadata));
    case 'model-metadata':
      await control.models.ensure(route.model);
      return jsonReply(writeJson(control.models.metadata(route.model, route.version)));
    case 'model-config':
      await control.models.ensure(route.model);
      return jsonReply(modelConfigJson(control.models.config(route.model, route.version)));
    case 'statistics': {
      const rows = control.statistics.read(route.model, route.version);
      return jsonReply(`{"model_stats":${writeJson(rows)}}`);
    }
    case 'memory':
      return jsonReply(writeJson(control.memory.read()));
    case 'batching':
      return jsonReply(writeJson(control.tuning.batching(route.model, route.version)));
    case 'log-settings':
      if (call.method === 'POST') {
        control.logSettings.update(readLogChanges(readJsonObject(call.body, 'required')));
      }
      return jsonReply(writeJson(control.logSettings.read()));
    case 'trace-settings': {
      const { trace } = control;
      if (call.method === 'POST') {
        const now = trace.read(route.model);
        await trace.update(
          route.model,
          readTraceChanges(readJsonObject(call.body, 'required'), now),
        );
      }
      return jsonReply(writeJson(trace.read(route.model)));
    }
    case 'repository-index': {
      const ready = readJsonObject(call.body).ready ?? false;
      if (typeof ready !== 'boolean') {
        throw invalidArgument("Invalid value for 'ready': expected a boolean");
      }
      return jsonReply(writeJson((await control.repository.index(ready)).map(indexRow)));
    }
    case 'load':
    case 'unload': {
      const { repository, model, kind } = route;
      const given = readJsonObject(call.body).parameters;
      const parameters = kind === 'load' ? readLoadParameters(given) : readUnloadParameters(given);
      await control.repository[kind]({ repository, model, parameters });
      return EMPTY;
    }
    case 'infer':
      if (inferPath === undefined) throw unimplemented('infer calls are answered in native');
      return inferPath.http(call, route.model, route.version);
    case 'docs':
      return docs === undefined ? notFoundReply() : handleDocs(route, call, docs);
    case 'kserve':
      return kserve === undefined ? notFoundReply() : handleKServe(route, call, kserve);
    case 'test-backend':
      if (testDoor === undefined) return notFoundReply();
      return jsonReply(
        await testDoor(route.model, route.version, new TextDecoder().decode(call.body)),
      );
    case 'shared-memory-status':
      return jsonReply(regionsJson(control.sharedMemory, route.memory, route.region));
    case 'shared-memory-unregister':
      control.sharedMemory.unregister(route.memory, route.region);
      return EMPTY;
    case 'shared-memory-register':
      registerRegion(control.sharedMemory, route.memory, route.region, call.body);
      return EMPTY;
  }
}

function indexRow({ name, version, state, reason }: IndexRow): object {
  return {
    name,
    version: version === undefined ? undefined : String(version),
    state,
    reason,
  };
}

const NO_PARAMETERS: ReadonlyMap<string, LoadParameter> = new Map();

/** In Triton's words, which differ from those of gRPC. */
function readLoadParameters(given: unknown): ReadonlyMap<string, LoadParameter> {
  if (given === undefined || given === null) return NO_PARAMETERS;
  if (typeof given !== 'object' || Array.isArray(given)) {
    throw invalidArgument('attempt to get members for non-object');
  }
  const result = new Map<string, LoadParameter>();
  for (const [key, value] of Object.entries(given)) {
    if (key !== 'config' && !key.startsWith('file:')) {
      throw internal('unexpected error on creating Triton parameter');
    }
    if (typeof value !== 'string')
      throw invalidArgument('attempt to access JSON non-string as string');
    result.set(key, key === 'config' ? value : readContent(key, value));
  }
  return result;
}

/** Triton looks at nothing else of an unload, and passes over a value of another type. */
function readUnloadParameters(given: unknown): ReadonlyMap<string, LoadParameter> {
  if (typeof given !== 'object' || given === null) return NO_PARAMETERS;
  const dependents: unknown = Object.entries(given).find(([key]) => key === UNLOAD_DEPENDENTS)?.[1];
  if (typeof dependents !== 'boolean') return NO_PARAMETERS;
  return new Map([[UNLOAD_DEPENDENTS, dependents]]);
}

const UNLOAD_DEPENDENTS = 'unload_dependents';

function readContent(key: string, text: string): Uint8Array {
  const bytes = readBase64(text);
  if (bytes !== undefined) return bytes;
  throw invalidArgument(`load parameter ${JSON.stringify(key)}: expected base64 text`);
}
