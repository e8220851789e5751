// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { ControlCall, GrpcReply, HttpReply } from '../addon/control-call.ts';
import type { InferAnswer, ParameterValue, TensorValue } from '../addon/infer-call.ts';
import type { ModelPlan } from '../addon/model-plan.ts';
import type { Engine } from '../addon/types.ts';
import { internal, notFound, ServeError, unimplemented } from '../base/status.ts';
import type { InferPath } from '../control/infer-path.ts';
import { decodeMessage, encodeMessage } from '../grpc/codec.ts';
import type { ServedVersion } from '../lifecycle/model-state.ts';
import { classify } from './classification.ts';
import { compress, decompress, headerOf } from './compression.ts';
import type { InferRequestMessage } from './grpc-messages.ts';
import { readGrpcRequest } from './grpc-request.ts';
import { readHttpRequest } from './http-request.ts';
import { type InferResult, writeHttpResponse } from './http-response.ts';
import type { InferRequest } from './request.ts';
import { attempt, type OpenRegion, placeOutputs } from './shared-memory.ts';
import { validate } from './validate.ts';
import { parseVersion } from './version.ts';

/** What of the models an infer call needs to know. */
export interface ServingModels {
  /** The build that serves; throws ServeError in Triton's words. `version` absent = the highest. */
  find(name: string, version?: number): ServedVersion;
}

export interface InferPathOptions {
  readonly engine: Pick<Engine, 'infer' | 'openRegion'>;
  readonly models: ServingModels;
  /** where models are loaded on demand, resolves when this one serves */
  readonly ensure?: (model: string) => Promise<void>;
  /** --http-max-input-size, bytes */
  readonly maxInputBytes: number;
  /** FP16 and BF16 as numbers in JSON */
  readonly real16Json: boolean;
  /** --allow-client-shm */
  readonly allowClientShm: boolean;
}

/**
 * `--infer-path=typescript`: reads, checks and writes infer calls without native's help and shares only
 * `engine.infer`. A second witness for the conformance suite, written from the protocol's rules, not for speed.
 */
export class TypeScriptInferPath implements InferPath {
  readonly #options: InferPathOptions;
  /** undefined while shared memory of clients is switched off */
  readonly #openRegion: OpenRegion | undefined;
  #nextCancelId = -1;

  constructor(options: InferPathOptions) {
    this.#options = options;
    const { engine, allowClientShm } = options;
    if (allowClientShm) {
      this.#openRegion = ({ name, offset, byteSize }) =>
        attempt(() => engine.openRegion(name, offset, byteSize));
    }
  }

  async http(call: ControlCall, model: string, version: string): Promise<HttpReply> {
    const { maxInputBytes, real16Json } = this.#options;
    const { headers } = call;
    const body = decompress(call.body, headerOf(headers, 'content-encoding'), maxInputBytes);
    const { plan } = await this.reach(model, version);
    if (plan.decoupled) {
      throw unimplemented(
        "HTTP end point doesn't support models with decoupled transaction policy",
      );
    }
    const jsonLength = headerOf(headers, 'inference-header-content-length');
    const open = this.#openRegion;
    const request = readHttpRequest(body, jsonLength, plan, maxInputBytes, real16Json, open);
    const reply = writeHttpResponse(await this.run(request, plan, call.token), request, real16Json);
    return compress(reply, headerOf(headers, 'accept-encoding'));
  }

  async grpc(call: ControlCall): Promise<GrpcReply> {
    // The shape is that of protos/inference.proto, which the decoder has checked.
    const message = decodeMessage('ModelInferRequest', call.body) as unknown as InferRequestMessage;
    const { plan } = await this.reach(message.model_name, message.model_version);
    if (plan.decoupled) {
      throw unimplemented(
        "ModelInfer RPC doesn't support models with decoupled transaction policy",
      );
    }
    const request = readGrpcRequest(message, this.#openRegion);
    const result = await this.run(request, plan, call.token);
    return { code: 0, message: '', body: writeGrpcResponse(result, request) };
  }

  /**
   * The build that a request reaches, loaded for it where models are loaded on demand.
   * @param versionText empty = the highest that serves
   * @throws ServeError in Triton's words
   */
  async reach(name: string, versionText: string): Promise<ServedVersion> {
    await this.#options.ensure?.(name);
    return this.#find(name, versionText);
  }

  #find(name: string, versionText: string): ServedVersion {
    const version = parseVersion(versionText);
    const { models } = this.#options;
    // What is wrong with the model as a whole is told before what is wrong with the version.
    const newest = models.find(name);
    if (version === undefined) return newest;
    if (version <= Number.MAX_SAFE_INTEGER) return models.find(name, Number(version));
    // No folder has such a number.
    throw notFound(`Request for unknown model: '${name}' version ${version} is not found`);
  }

  /**
   * Checks a request against the model and runs it.
   * @param caller token of the control call that asks: the request is cancelled when its client leaves
   * @throws ServeError in Triton's words
   */
  async run(request: InferRequest, plan: ModelPlan, caller: number): Promise<InferResult> {
    validate(request, plan);
    const answer = await this.#infer(request, plan, caller);
    const outputs: TensorValue[] = [];
    for (const { name } of plan.outputs) {
      const output = answer.outputs.find((one) => one.name === name);
      if (output === undefined) continue;
      const k = request.outputs.find((one) => one.name === name)?.classification ?? 0;
      outputs.push(k > 0 ? classify(output, k, plan) : output);
    }
    const { modelName, modelVersion, parameters } = answer;
    return { modelName, modelVersion, parameters, outputs: placeOutputs(outputs, request) };
  }

  async #infer(request: InferRequest, plan: ModelPlan, caller: number): Promise<InferAnswer> {
    const inputs = request.inputs.map(({ name, datatype, shape, data }): TensorValue => {
      if (datatype === undefined) throw internal(`input '${name}' has no datatype`);
      return { name, datatype, shape: shape.map(Number), data };
    });
    try {
      return await this.#options.engine.infer(
        {
          model: plan.name,
          version: String(plan.version),
          id: request.id,
          inputs,
          outputs: [...new Set(request.outputs.map(({ name }) => name))],
          priority: toNumber(request.priority),
          timeoutUs: toNumber(request.timeoutUs),
          ...(request.parameters === undefined ? {} : { parameters: [...request.parameters] }),
          ...(request.sequence === undefined ? {} : { sequence: request.sequence }),
          caller,
        },
        this.#nextCancelId--,
      );
    } catch (thrown) {
      throw ServeError.from(thrown);
    }
  }
}

const NO_BYTES = new Uint8Array(0);

// Beyond 2^53 it means "for ever" whatever the last digits are.
const toNumber = (value: bigint): number =>
  value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : Number.MAX_SAFE_INTEGER;

function grpcParameter(value: ParameterValue): object {
  switch (typeof value) {
    case 'boolean':
      return { bool_param: value };
    case 'bigint':
      return { int64_param: value };
    case 'number':
      return { double_param: value };
    default:
      return { string_param: value };
  }
}

/** One encoded `ModelInferResponse`; outputs always as raw contents. */
function writeGrpcResponse(result: InferResult, { id }: InferRequest): Uint8Array {
  return encodeMessage('ModelInferResponse', {
    model_name: result.modelName,
    model_version: result.modelVersion,
    id,
    parameters: Object.fromEntries(
      Object.entries(result.parameters ?? {}).map(([name, value]) => [name, grpcParameter(value)]),
    ),
    outputs: result.outputs.map(({ name, datatype, shape }) => ({
      name,
      datatype,
      shape: shape.map(BigInt),
    })),
    // Clients count them: an output in shared memory has an empty one.
    raw_output_contents: result.outputs.map(({ data }) => data ?? NO_BYTES),
  });
}
