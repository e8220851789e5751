// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { DataType } from '../addon/data-type.ts';
import { invalidArgument } from '../base/status.ts';
import type { ModelConfig, ModelInput, ModelOutput } from '../config/model-config.ts';
import type { ModelLifecycle } from '../lifecycle/lifecycle.ts';
import { dataTypeOf } from '../lifecycle/plan-values.ts';

export interface TensorMetadata {
  readonly name: string;
  readonly datatype: DataType;
  /** with a leading -1 when the model has a batch dimension */
  readonly shape: readonly bigint[];
}

export interface ModelMetadata {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
  /** what else is to be known of the model; Triton has none */
  readonly properties?: Readonly<Record<string, string>>;
}

/** Whether a model serves, is known but does not, or was never asked for. */
export type Presence = 'ready' | 'waiting' | 'unknown';

type Lifecycle = Pick<ModelLifecycle, 'find' | 'served' | 'allServed' | 'canServe' | 'knownRows'>;

/** What one asks about a model. */
export class ModelQueries {
  readonly #lifecycle: Lifecycle;
  readonly #hasProperties: boolean;
  readonly #demand: ((name: string) => Promise<void>) | undefined;

  /**
   * @param hasProperties metadata carries `properties`
   * @param demand loads a model that does not serve; absent = nothing does
   */
  constructor(
    lifecycle: Lifecycle,
    hasProperties: boolean,
    demand?: (name: string) => Promise<void>,
  ) {
    this.#demand = demand;
    this.#lifecycle = lifecycle;
    this.#hasProperties = hasProperties;
  }

  /** Where models are loaded on demand, resolves when this one serves. @throws ServeError when it cannot */
  async ensure(name: string): Promise<void> {
    if (this.#demand !== undefined && this.#lifecycle.served(name).length === 0) {
      await this.#demand(name);
    }
  }

  /** Names of the models that serve, sorted. */
  names(): string[] {
    return [...new Set(this.#lifecycle.allServed().map(({ plan }) => plan.name))];
  }

  /** Some version serves, and an instance of it works: what Triton's protocol answers, too. */
  isReady(name: string): boolean {
    return this.#lifecycle.canServe(name);
  }

  presence(name: string): Presence {
    if (this.#lifecycle.served(name).length > 0) return 'ready';
    return this.#lifecycle.knownRows().some((row) => row.name === name) ? 'waiting' : 'unknown';
  }

  /**
   * @param version text of the request; empty = highest that serves
   * @throws ServeError NotFound, Unavailable or InvalidArgument in Triton's words
   */
  metadata(name: string, version: string): ModelMetadata {
    const asked = parseVersion(version);
    const { config, version: found } = this.#lifecycle.find(name, asked);
    const versions =
      asked === undefined ? this.#lifecycle.served(name).map((one) => one.version) : [found];
    const isBatched = config.max_batch_size > 0;
    return {
      name,
      versions: versions.map(String),
      platform: config.platform === '' ? config.backend : config.platform,
      inputs: config.input.map((input) => tensorMetadata(input, isBatched)),
      outputs: config.output.map((output) => tensorMetadata(output, isBatched)),
      ...(this.#hasProperties ? { properties: propertiesOf(config) } : {}),
    };
  }

  /** The complete configuration. Parameters and errors as `metadata`. */
  config(name: string, version: string): ModelConfig {
    return this.#lifecycle.find(name, parseVersion(version)).config;
  }
}

/**
 * A version as clients write it.
 * @returns undefined for the empty text
 * @throws ServeError InvalidArgument, in Triton's words
 */
export function parseVersion(text: string): number | undefined {
  if (text === '') return undefined;
  const version = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(version)) {
    throw invalidArgument(
      `failed to get model version from specified version string '${text}' (details: stol), ` +
        'version should be an integral value > 0',
    );
  }
  return version;
}

/** What a client needs to fill a request well and metadata has no field for. */
function propertiesOf(config: ModelConfig): Record<string, string> {
  return {
    backend: config.backend,
    max_batch_size: String(config.max_batch_size),
    decoupled: String(config.model_transaction_policy?.decoupled === true),
  };
}

function tensorMetadata(tensor: ModelInput | ModelOutput, isBatched: boolean): TensorMetadata {
  return {
    name: tensor.name,
    datatype: dataTypeOf(tensor.data_type),
    shape: isBatched ? [-1n, ...tensor.dims] : tensor.dims,
  };
}
