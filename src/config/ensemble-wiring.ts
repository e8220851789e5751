// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { invalidArgument, ServeError } from '../base/status.ts';
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
  /** where the ensemble itself says it */
  readonly field?: string | undefined;
}

/** What does not fit, and where in the configuration of the ensemble. */
export interface WiringProblem {
  /** e.g. `ensemble_scheduling.step[0].input_map["x"]` */
  readonly path: string;
  /** Triton's words */
  readonly text: string;
  /** what would make it fit; absent where that is not one thing */
  readonly remedy?: WiringRemedy;
}

export type WiringRemedy =
  /** another value of a field, as the text format writes it */
  | { readonly field: string; readonly value: string }
  /** in place of the map's key, one of these */
  | { readonly key: string; readonly known: readonly string[] };

type MemberOf<T> = (step: EnsembleStep) => T;

/**
 * Holds an ensemble against the models of its steps: names, types, shapes, batch sizes, decoupled branches.
 * @param config complete; its own checks have passed
 * @param memberOf the complete configuration that a step reaches
 * @returns the configuration with the transaction policy that follows from its steps
 * @throws ServeError InvalidArgument, in Triton's words
 */
export function wireEnsemble(config: ModelConfig, memberOf: MemberOf<ModelConfig>): ModelConfig {
  for (const { text } of wiringProblems(config, memberOf)) throw invalidArgument(text);
  const decoupled = new Decoupling(config, memberOf).check();
  return { ...config, model_transaction_policy: { decoupled } };
}

/**
 * Everything that `wireEnsemble` would complain of, one after the other.
 * @param memberOf undefined for a step whose model is not known: what it needs and makes is not looked at
 */
export function* wiringProblems(
  config: ModelConfig,
  memberOf: MemberOf<ModelConfig | undefined>,
): Generator<WiringProblem> {
  const steps = config.ensemble_scheduling?.step ?? [];
  const tensors = new Map<string, Tensor>();
  for (const kind of ['input', 'output'] as const)
    for (const [index, tensor] of config[kind].entries()) {
      const dims = tensor.reshape === undefined ? tensor.dims : tensor.reshape.shape;
      const field = tensor.reshape === undefined ? `${kind}[${index}]` : undefined;
      tensors.set(tensor.name, { ...tensorOf(config, tensor, dims), field });
    }
  for (const [index, step] of steps.entries()) {
    const member = memberOf(step);
    if (member === undefined) continue;
    const path = `ensemble_scheduling.step[${index}]`;
    if (member.max_batch_size !== 0 && member.max_batch_size < config.max_batch_size)
      yield {
        path: 'max_batch_size',
        text:
          `ensemble ${config.name} allows maximum batch size ${config.max_batch_size}, but it contains model ` +
          `${step.model_name} which only allows maximum batch size to be ${member.max_batch_size}`,
        remedy: { field: 'max_batch_size', value: String(member.max_batch_size) },
      };
    yield* inputProblems(config, step, path, member, tensors);
    yield* outputProblems(config, step, path, member, tensors);
  }
  if (steps.every((step) => memberOf(step) !== undefined)) {
    const known = (step: EnsembleStep): ModelConfig => memberOf(step) ?? config;
    const text = new Decoupling(config, known).problem();
    if (text !== undefined) yield { path: 'ensemble_scheduling', text };
  }
}

function* inputProblems(
  config: ModelConfig,
  step: EnsembleStep,
  path: string,
  member: ModelConfig,
  tensors: Map<string, Tensor>,
): Generator<WiringProblem> {
  const names = member.input.map(({ name }) => name);
  const free = names.filter((name) => !step.input_map.has(name));
  for (const [input, tensor] of step.input_map)
    if (!names.includes(input))
      yield {
        path: `${path}.input_map[${JSON.stringify(input)}]`,
        text: inEnsemble(
          config,
          `ensemble tensor ${tensor} is mapping to non-existing input ${input} in model ${step.model_name}`,
        ),
        remedy: { key: input, known: free },
      };
  for (const input of member.input) {
    const tensor = step.input_map.get(input.name);
    if (tensor !== undefined) {
      const found = tensorOf(member, input);
      yield* agree(
        config,
        `${path}.input_map[${JSON.stringify(input.name)}]`,
        tensor,
        found,
        tensors,
      );
    } else if (!input.optional)
      yield {
        path,
        text: inEnsemble(
          config,
          `input ${input.name} in model ${step.model_name} is not mapped to any ensemble tensors`,
        ),
      };
  }
}

function* outputProblems(
  config: ModelConfig,
  step: EnsembleStep,
  path: string,
  member: ModelConfig,
  tensors: Map<string, Tensor>,
): Generator<WiringProblem> {
  const names = member.output.map(({ name }) => name);
  for (const [output, tensor] of step.output_map) {
    const at = `${path}.output_map[${JSON.stringify(output)}]`;
    const found = member.output.find(({ name }) => name === output);
    if (found === undefined)
      yield {
        path: at,
        text: inEnsemble(
          config,
          `ensemble tensor ${tensor} is mapped from non-existing output ${output} in model ${step.model_name}`,
        ),
        remedy: { key: output, known: names.filter((name) => !step.output_map.has(name)) },
      };
    else yield* agree(config, at, tensor, tensorOf(member, found), tensors);
  }
}

/** The first to name a tensor says what it is; free dimensions are settled by each request. */
function* agree(
  config: ModelConfig,
  path: string,
  name: string,
  found: Tensor,
  tensors: Map<string, Tensor>,
): Generator<WiringProblem> {
  const known = tensors.get(name);
  if (known === undefined) {
    tensors.set(name, found);
    return;
  }
  const inferred = (left: string, right: string): string =>
    inEnsemble(
      config,
      `ensemble tensor ${name}: ${left} is inferred from model ${known.model} while ${right} is inferred from ` +
        `model ${found.model}`,
    );
  if (known.type !== found.type)
    yield {
      path,
      text: inferred(`inconsistent data type: ${known.type}`, found.type),
      ...remedy(known, 'data_type', found.type),
    };
  // A model without a batch dimension may name it as one of its own.
  else if (!fits(known.dims, found.dims) && !fits(known.full, found.full))
    yield {
      path,
      text: inferred(`inconsistent shape: [${known.full.join()}]`, `[${found.full.join()}]`),
      ...(batches(known) === batches(found)
        ? remedy(known, 'dims', `[ ${found.dims.join(', ')} ]`)
        : {}),
    };
}

const batches = ({ dims, full }: Tensor): boolean => full.length > dims.length;

/** The ensemble's own word can be changed here. */
function remedy(
  { field }: Tensor,
  name: string,
  value: string,
): { readonly remedy?: WiringRemedy } {
  return field === undefined ? {} : { remedy: { field: `${field}.${name}`, value } };
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

  /** @returns what `check` would throw */
  problem(): string | undefined {
    try {
      this.check();
      return undefined;
    } catch (thrown) {
      return ServeError.from(thrown).message;
    }
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

const inEnsemble = ({ name }: ModelConfig, text: string): string => `in ensemble ${name}, ${text}`;
