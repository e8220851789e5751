// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { invalidArgument, type ServeError } from '../base/status.ts';
import type {
  ConfigDataType,
  EnsembleStep,
  ModelConfig,
  ModelInput,
  ModelOutput,
} from './model-config.ts';

/** A tensor between steps, as the model says that was the first to name it. */
interface Tensor {
  readonly model: string;
  readonly type: ConfigDataType;
  readonly dims: readonly bigint[];
  /** with the batch dimension where the model has one */
  readonly full: readonly bigint[];
}

/**
 * Holds an ensemble against the models of its steps: names, types, shapes, batch sizes, decoupled branches.
 * @param config complete; its own checks have passed
 * @param memberOf the complete configuration that a step reaches
 * @returns the configuration with the transaction policy that follows from its steps
 * @throws ServeError InvalidArgument, in Triton's words
 */
export function wireEnsemble(
  config: ModelConfig,
  memberOf: (step: EnsembleStep) => ModelConfig,
): ModelConfig {
  const steps = config.ensemble_scheduling?.step ?? [];
  const tensors = new Map<string, Tensor>();
  for (const tensor of [...config.input, ...config.output]) {
    tensors.set(
      tensor.name,
      tensorOf(config, tensor, tensor.reshape === undefined ? tensor.dims : tensor.reshape.shape),
    );
  }
  for (const step of steps) {
    const member = memberOf(step);
    if (member.max_batch_size !== 0 && member.max_batch_size < config.max_batch_size)
      throw invalidArgument(
        `ensemble ${config.name} allows maximum batch size ${config.max_batch_size}, but it contains model ` +
          `${step.model_name} which only allows maximum batch size to be ${member.max_batch_size}`,
      );
    wireInputs(config, step, member, tensors);
    wireOutputs(config, step, member, tensors);
  }
  const decoupled = new Decoupling(config, memberOf).check();
  return { ...config, model_transaction_policy: { decoupled } };
}

function wireInputs(
  config: ModelConfig,
  step: EnsembleStep,
  member: ModelConfig,
  tensors: Map<string, Tensor>,
): void {
  const names = new Set(member.input.map(({ name }) => name));
  for (const [input, tensor] of step.input_map)
    if (!names.has(input))
      throw wrong(
        config,
        `ensemble tensor ${tensor} is mapping to non-existing input ${input} in model ${step.model_name}`,
      );
  for (const input of member.input) {
    const tensor = step.input_map.get(input.name);
    if (tensor !== undefined) agree(config, tensor, tensorOf(member, input), tensors);
    else if (!input.optional)
      throw wrong(
        config,
        `input ${input.name} in model ${step.model_name} is not mapped to any ensemble tensors`,
      );
  }
}

function wireOutputs(
  config: ModelConfig,
  step: EnsembleStep,
  member: ModelConfig,
  tensors: Map<string, Tensor>,
): void {
  for (const [output, tensor] of step.output_map) {
    const found = member.output.find(({ name }) => name === output);
    if (found === undefined)
      throw wrong(
        config,
        `ensemble tensor ${tensor} is mapped from non-existing output ${output} in model ${step.model_name}`,
      );
    agree(config, tensor, tensorOf(member, found), tensors);
  }
}

/** The first to name a tensor says what it is; free dimensions are settled by each request. */
function agree(
  config: ModelConfig,
  name: string,
  found: Tensor,
  tensors: Map<string, Tensor>,
): void {
  const known = tensors.get(name);
  if (known === undefined) {
    tensors.set(name, found);
    return;
  }
  const inferred = (left: string, right: string): ServeError =>
    wrong(
      config,
      `ensemble tensor ${name}: ${left} is inferred from model ${known.model} while ${right} is inferred from ` +
        `model ${found.model}`,
    );
  if (known.type !== found.type)
    throw inferred(`inconsistent data type: ${known.type}`, found.type);
  // A model without a batch dimension may name it as one of its own.
  if (!fits(known.dims, found.dims) && !fits(known.full, found.full))
    throw inferred(`inconsistent shape: [${known.full.join()}]`, `[${found.full.join()}]`);
}

function fits(left: readonly bigint[], right: readonly bigint[]): boolean {
  return (
    left.length === right.length &&
    left.every((dim, axis) => dim === right[axis] || dim === -1n || right[axis] === -1n)
  );
}

function tensorOf(
  config: ModelConfig,
  tensor: ModelInput | ModelOutput,
  dims: readonly bigint[] = tensor.dims,
): Tensor {
  const full = config.max_batch_size > 0 ? [-1n, ...dims] : dims;
  return { model: config.name, type: tensor.data_type, dims, full };
}

/**
 * Which tensors come from the same decoupled step. A decoupled step answers as often as it likes, so what comes from
 * two of them has nothing to be paired by.
 */
class Decoupling {
  readonly #config: ModelConfig;
  readonly #memberOf: (step: EnsembleStep) => ModelConfig;
  /** by tensor: 0 = comes once for each request, else a number for the decoupled step behind it */
  readonly #branches = new Map<string, number>();
  #count = 0;

  constructor(config: ModelConfig, memberOf: (step: EnsembleStep) => ModelConfig) {
    this.#config = config;
    this.#memberOf = memberOf;
    for (const { name } of config.input) this.#branches.set(name, 0);
  }

  /** @returns true when the ensemble answers more or less than once */
  check(): boolean {
    const outputs = new Set(this.#config.output.map(({ name }) => name));
    const waiting = new Set(this.#config.ensemble_scheduling?.step);
    for (let ready = this.#ready(waiting); ready.length > 0; ready = this.#ready(waiting)) {
      for (const step of ready) {
        waiting.delete(step);
        const isVisible = [...step.output_map.values()].some((tensor) => outputs.has(tensor));
        const who = isVisible ? this.#config.name : step.model_name;
        const branch = this.#branchOf(step.input_map.values(), who);
        const isDecoupled = this.#memberOf(step).model_transaction_policy?.decoupled === true;
        if (isDecoupled) this.#count += 1;
        for (const tensor of step.output_map.values())
          this.#branches.set(tensor, isDecoupled ? this.#count : branch);
      }
    }
    this.#branchOf(outputs, this.#config.name);
    return this.#count > 0;
  }

  #ready(waiting: ReadonlySet<EnsembleStep>): EnsembleStep[] {
    return [...waiting].filter((step) =>
      [...step.input_map.values()].every((tensor) => this.#branches.has(tensor)),
    );
  }

  #branchOf(tensors: Iterable<string>, who: string): number {
    const branches = new Set([...tensors].map((tensor) => this.#branches.get(tensor) ?? 0));
    if (branches.size > 1)
      throw invalidArgument(
        `in ensemble ${this.#config.name}, step of model '${who}' receives inputs originated from different ` +
          'decoupled models',
      );
    const [branch = 0] = branches;
    return branch;
  }
}

const wrong = ({ name }: ModelConfig, text: string): ServeError =>
  invalidArgument(`in ensemble ${name}, ${text}`);
