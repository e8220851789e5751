// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ControlCall, GrpcReply } from '../addon/control-call.ts';
import { unimplemented } from '../base/status.ts';
import { encodeModelConfig } from '../config/write.ts';
import type { InferPath } from '../control/infer-path.ts';
import type { LoadParameter, RepositoryCall } from '../control/repository.ts';
import type { ControlService } from '../control/service.ts';
import type * as Codec from './codec.ts';
import { errorReply, messageReply } from './error.ts';
import { logSettingsMap, readLogChanges, readTraceChanges, traceSettingsMap } from './settings.ts';
import {
  cudaRegions,
  registerCudaRegion,
  registerSystemRegion,
  systemRegions,
  unregister,
} from './shared-memory.ts';

export interface GrpcHandlerOptions {
  readonly control: ControlService;
  /** present under `--infer-path=typescript` */
  readonly inferPath?: InferPath | undefined;
}

type Request = Record<string, unknown>;
type Verb = (request: Request, control: ControlService) => Promise<Answer> | Answer;
/** Fields of the response message, or the message itself. */
type Answer = object | Uint8Array;

const SERVICE = '/inference.GRPCInferenceService/';

/** Native hands these over message by message; both speak the same messages. */
const reflectionPaths: ReadonlySet<string> = new Set([
  '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
  '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
]);

// A map, not an object: paths come from the network and must not reach `constructor` or `toString`.
const verbs: ReadonlyMap<string, Verb> = new Map<string, Verb>([
  ['ServerMetadata', (_, { metadata }) => metadata],
  [
    'ModelMetadata',
    async (request, { models }) => {
      await models.ensure(modelOf(request)[0]);
      return models.metadata(...modelOf(request));
    },
  ],
  [
    'ModelConfig',
    async (request, { models }) => {
      await models.ensure(modelOf(request)[0]);
      return encodeModelConfig(models.config(...modelOf(request)));
    },
  ],
  [
    'ModelStatistics',
    (request, { statistics }) => ({
      model_stats: statistics.read(...modelOf(request)),
    }),
  ],
  ['RepositoryIndex', repositoryIndex],
  [
    'RepositoryModelLoad',
    async (request, { repository }) => {
      await repository.load(repositoryCall(request));
      return {};
    },
  ],
  [
    'RepositoryModelUnload',
    async (request, { repository }) => {
      await repository.unload(repositoryCall(request));
      return {};
    },
  ],
  [
    'TraceSetting',
    async (request, { trace }) => {
      const model = String(request.model_name ?? '');
      await trace.update(model, readTraceChanges(request.settings, trace.read(model)));
      return { settings: traceSettingsMap(trace.read(model)) };
    },
  ],
  [
    'LogSettings',
    (request, { logSettings }) => {
      logSettings.update(readLogChanges(request.settings));
      return { settings: logSettingsMap(logSettings.read()) };
    },
  ],
  ['SystemSharedMemoryStatus', systemRegions],
  ['SystemSharedMemoryRegister', registerSystemRegion],
  ['SystemSharedMemoryUnregister', (request, control) => unregister('system', request, control)],
  ['CudaSharedMemoryStatus', cudaRegions],
  ['CudaSharedMemoryRegister', registerCudaRegion],
  ['CudaSharedMemoryUnregister', (request, control) => unregister('cuda', request, control)],
]);

/** Every method that is answered here; those of the infer path and of health are native's. */
export const grpcMethods: readonly string[] = [...verbs.keys()];

/** Answers one gRPC call that native handed over. Never rejects: what goes wrong becomes the status. */
export async function handleGrpc(
  call: ControlCall,
  options: GrpcHandlerOptions,
): Promise<GrpcReply> {
  try {
    const name = call.path.startsWith(SERVICE) ? call.path.slice(SERVICE.length) : '';
    if (name === 'ModelInfer' && options.inferPath !== undefined) {
      return await options.inferPath.grpc(call);
    }
    if (reflectionPaths.has(call.path)) {
      const { reflect } = await import('./reflection.ts');
      return messageReply(reflect(call.body));
    }
    const verb = verbs.get(name);
    if (verb === undefined) {
      throw unimplemented(`unknown method '${call.path}'`);
    }
    // Loaded with the first gRPC control call, so that a start does not wait for protobufjs.
    const codec = await import('./codec.ts');
    const request = codec.decodeMessage(`${name}Request`, call.body);
    return messageReply(encode(codec, name, await verb(request, options.control)));
  } catch (error) {
    return errorReply(error);
  }
}

function encode(codec: typeof Codec, name: string, answer: Answer): Uint8Array {
  if (answer instanceof Uint8Array) return codec.wrapMessage(1, answer);
  return codec.encodeMessage(`${name}Response`, answer);
}

async function repositoryIndex(request: Request, { repository }: ControlService): Promise<Answer> {
  if (request.repository_name !== '') {
    throw unimplemented("'repository_name' specification is not supported");
  }
  const rows = await repository.index(request.ready === true);
  return {
    models: rows.map(({ name, version, state, reason }) => ({
      name,
      version: version === undefined ? '' : String(version),
      state: state ?? '',
      reason: reason ?? '',
    })),
  };
}

function modelOf(request: Request): [name: string, version: string] {
  return [String(request.name ?? ''), String(request.version ?? '')];
}

function repositoryCall(request: Request): RepositoryCall {
  const parameters = new Map<string, LoadParameter>();
  const given = request.parameters;
  if (typeof given === 'object' && given !== null) {
    for (const [key, value] of Object.entries(given)) {
      parameters.set(key, loadParameter(value as Request));
    }
  }
  return {
    repository: String(request.repository_name ?? ''),
    model: String(request.model_name ?? ''),
    parameters,
  };
}

function loadParameter(value: Request): LoadParameter {
  switch (value.parameter_choice) {
    case 'bool_param':
      return value.bool_param === true;
    case 'int64_param':
      return BigInt(String(value.int64_param));
    case 'string_param':
      return String(value.string_param);
    case 'bytes_param':
      return value.bytes_param as Uint8Array;
    default:
      return undefined;
  }
}
