// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { loadBinding } from '../addon/binding.ts';
import type { InferCall, ParameterValue, SequencePart } from '../addon/infer-call.ts';
import type { Binding } from '../addon/types.ts';
import { abortable, throwIfAborted } from '../base/abort.ts';
import { Log } from '../base/log.ts';
import { ServeError, unavailable } from '../base/status.ts';
import type { IndexRow } from '../lifecycle/model-state.ts';
import { type CreateServerOptions, readLibraryOptions } from './library-options.ts';
import { Server, type Service } from './server.ts';
import { decodeTensor, encodeTensor, type InputTensor, type OutputTensor } from './tensors.ts';

export interface InferRequest {
  readonly inputs: Readonly<Record<string, InputTensor>>;
  /** names of the outputs wanted; default all */
  readonly outputs?: readonly string[];
  /** default the highest that serves */
  readonly version?: number;
  readonly id?: string;
  readonly priority?: number;
  /** what else the model or its queue is to know, e.g. `priority_class` */
  readonly parameters?: Readonly<Record<string, ParameterValue>>;
  /** how long it may wait in the queue */
  readonly timeoutMs?: number;
  /** which sequence it belongs to, and whether it is the first or the last of it */
  readonly sequence?: SequencePart;
  /** takes the request out of the queue, or its answer from you */
  readonly signal?: AbortSignal;
}

export interface InferResult {
  readonly modelName: string;
  readonly modelVersion: string;
  readonly id: string;
  readonly outputs: Readonly<Record<string, OutputTensor | undefined>>;
}

/** What a program may listen to. */
export type LibraryService = Extract<Service, 'http' | 'grpc' | 'metrics'>;

/** Where a port shall open; `port` 0 (the default) takes a free one. */
export interface ListenAt {
  /** default 127.0.0.1 */
  readonly host?: string;
  readonly port?: number;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/**
 * A model server inside this process. Models run in native threads: the event loop stays free meanwhile.
 *
 * Every method that waits takes an `AbortSignal` and rejects with a `ServeError`. The program stays alive while a
 * port is open or a call is awaited, not otherwise.
 */
export class NereidServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #exitTimeoutMs: number;
  #isClosed = false;
  #nextCancelId = 1;

  private constructor(server: Server, exitTimeoutMs: number) {
    this.#server = server;
    this.#exitTimeoutMs = exitTimeoutMs;
  }

  /** Use `createServer`. @param binding replaces the addon (tests) */
  static async create(
    options: CreateServerOptions,
    binding: Binding = loadBinding(),
  ): Promise<NereidServer> {
    throwIfAborted(options.signal);
    const plan = readLibraryOptions(options);
    const log = new Log({
      error: plan.options.logError,
      warning: plan.options.logWarning,
      info: plan.options.logInfo,
      verboseLevel: 0,
      format: 'default',
      file: '',
      escape: true,
    });
    for (const note of plan.notes) log.info(note);
    const inner = new Server({ binding, options: plan.options, log });
    const server = new NereidServer(inner, options.exitTimeoutMs ?? 30_000);
    try {
      const loading = inner.start(plan.startModels);
      const failures = await abortable(loading, options.signal);
      const first = failures[0]?.error;
      if (first !== undefined && plan.options.exitOnError) throw first;
    } catch (thrown) {
      await server.close({ timeoutMs: 0 });
      throw ServeError.from(thrown);
    }
    return server;
  }

  /**
   * Loads a model, or brings a loaded one to what its folder holds now.
   * @param options.config JSON of a model configuration to use instead of config.pbtxt
   * @throws ServeError says what is wrong with the model
   */
  async load(
    name: string,
    options: { readonly config?: string; readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    this.#checkOpen();
    await this.#server.lifecycle.load(name, options);
  }

  /** Takes a model out of service; requests in flight still run. An unknown name is no error. */
  async unload(name: string, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    this.#checkOpen();
    await this.#server.lifecycle.unload(name, options.signal);
  }

  /** Every model of the repositories and its state. */
  async models(options: { readonly signal?: AbortSignal } = {}): Promise<IndexRow[]> {
    this.#checkOpen();
    return this.#server.lifecycle.index(options.signal);
  }

  /**
   * Runs one request. The inputs are copied before this returns its promise. In mode `on-demand` a model that does not
   * serve is loaded first.
   * @throws ServeError NotFound, InvalidArgument, Unavailable, ResourceExhausted, Cancelled …
   */
  async infer(model: string, request: InferRequest): Promise<InferResult> {
    this.#checkOpen();
    const { signal } = request;
    throwIfAborted(signal);
    const call: InferCall = {
      model,
      version: request.version === undefined ? '' : String(request.version),
      id: request.id ?? '',
      inputs: Object.entries(request.inputs).map(([name, one]) => encodeTensor(name, one)),
      outputs: request.outputs ?? [],
      ...(request.priority === undefined ? {} : { priority: request.priority }),
      ...(request.timeoutMs === undefined
        ? {}
        : { timeoutUs: Math.round(request.timeoutMs * 1000) }),
      ...(request.parameters === undefined
        ? {}
        : { parameters: Object.entries(request.parameters) }),
      ...(request.sequence === undefined ? {} : { sequence: request.sequence }),
    };
    const { demand } = this.#server;
    if (demand === undefined || this.#server.lifecycle.served(model).length > 0)
      return this.#infer(call, signal);
    const inputs = call.inputs.map((one) => ({ ...one, data: one.data.slice() }));
    const bytes = inputs.reduce((sum, { data }) => sum + data.length, 0);
    await abortable(demand(model, bytes), signal);
    return this.#infer({ ...call, inputs }, signal);
  }

  async #infer(call: InferCall, signal: AbortSignal | undefined): Promise<InferResult> {
    const cancelId = this.#nextCancelId++;
    const answered = this.#server.engine.infer(call, cancelId);
    const cancel = (): void => this.#server.engine.cancel(cancelId);
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      const answer = await abortable(answered, signal);
      return {
        modelName: answer.modelName,
        modelVersion: answer.modelVersion,
        id: answer.id,
        outputs: Object.fromEntries(answer.outputs.map((one) => [one.name, decodeTensor(one)])),
      };
    } catch (thrown) {
      throw ServeError.from(thrown);
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  /**
   * Opens ports.
   * @returns the real addresses
   * @throws ServeError Unavailable when a port is taken
   */
  async listen<K extends LibraryService>(
    ports: { readonly [S in K]: ListenAt },
  ): Promise<{
    readonly [S in K]: Address;
  }> {
    this.#checkOpen();
    const result: Partial<Record<Service, Address>> = {};
    for (const service of Object.keys(ports) as K[]) {
      const { host = '127.0.0.1', port = 0 } = ports[service];
      const opened = this.#server.listenOn(service, { host, port });
      result[service] = { host: opened.host, port: opened.port };
    }
    return result as Record<K, Address>;
  }

  /**
   * Stops accepting, lets requests in flight finish, unloads and ends every thread. Later calls wait for the first.
   * @returns false when requests had to be cancelled
   */
  async close(options: { readonly timeoutMs?: number } = {}): Promise<boolean> {
    this.#isClosed = true;
    return this.#server.close(options.timeoutMs ?? this.#exitTimeoutMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #checkOpen(): void {
    if (this.#isClosed) throw unavailable('the server is closed');
  }
}
