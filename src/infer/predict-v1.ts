// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { TensorValue } from '../addon/infer-call.ts';
import type { ModelPlan } from '../addon/model-plan.ts';
import { invalidArgument, type ServeError, unimplemented } from '../base/status.ts';
import type { PredictCall, Predictor } from '../control/predictor.ts';
import type { InferPathOptions, TypeScriptInferPath } from './infer-path.ts';
import { isList, isObject } from './json-access.ts';
import { type JsonValue, readJson } from './json-reader.ts';
import { nestedJson, readNested } from './nested-tensor.ts';
import type { InferRequest, InputTensor } from './request.ts';

/** Values of the inputs by their names; with one input, its value alone. */
type NamedValues = ReadonlyMap<string, JsonValue>;

/**
 * The KServe v1 protocol: `instances` is a list with one element a row, answered by `predictions`; `inputs` are whole
 * tensors, answered by `outputs`. With a single input or output its value stands without a name.
 */
export class V1Predictor implements Predictor {
  readonly #path: Pick<TypeScriptInferPath, 'reach' | 'run'>;
  readonly #maxInputBytes: number;

  constructor(
    path: Pick<TypeScriptInferPath, 'reach' | 'run'>,
    { maxInputBytes }: Pick<InferPathOptions, 'maxInputBytes'>,
  ) {
    this.#path = path;
    this.#maxInputBytes = maxInputBytes;
  }

  async predict(model: string, { body, token }: PredictCall): Promise<string> {
    const { plan } = await this.#path.reach(model, '');
    if (plan.decoupled) {
      throw unimplemented(
        "HTTP end point doesn't support models with decoupled transaction policy",
      );
    }
    const root = readJson(body);
    const members = isObject(root) ? root : new Map<string, JsonValue>();
    const instances = members.get('instances');
    const inputs = members.get('inputs');
    if ((instances === undefined) === (inputs === undefined)) {
      throw invalidArgument('expected either "instances" or "inputs" in the request');
    }
    if (instances !== undefined) {
      if (!isList(instances)) throw invalidArgument('expected "instances" to be a list');
      const request = this.#request(rowsToColumns(instances, plan), plan);
      return writeRows(await this.#run(request, plan, token), instances.length);
    }
    const columns = isNamed(inputs) ? inputs : single(inputs, plan);
    return writeColumns(await this.#run(this.#request(columns, plan), plan, token));
  }

  /** JSON of many elements costs a multiple of their bytes. */
  async #run(
    request: InferRequest,
    plan: ModelPlan,
    caller: number,
  ): Promise<readonly TensorValue[]> {
    const { outputs } = await this.#path.run(request, plan, caller);
    // None is without bytes: no output of these requests goes to shared memory.
    const values = outputs.map(
      ({ data, ...output }): TensorValue => ({ ...output, data: data ?? new Uint8Array(0) }),
    );
    const bytes = values.reduce((sum, { data }) => sum + data.length, 0);
    if (bytes <= this.#maxInputBytes) return values;
    throw invalidArgument(
      `the outputs have ${bytes} bytes, over the limit of ${this.#maxInputBytes} bytes for an answer of the v1 ` +
        'protocol: use /v2/models with binary outputs',
    );
  }

  #request(values: NamedValues, plan: ModelPlan): InferRequest {
    const inputs: InputTensor[] = [];
    for (const [name, value] of values) {
      const declared = plan.inputs.find((one) => one.name === name);
      if (declared === undefined) {
        throw invalidArgument(`unexpected inference input '${name}' for model '${plan.name}'`);
      }
      const { datatype } = declared;
      const { shape, data } = readNested(value, datatype, name, this.#maxInputBytes);
      inputs.push({ name, datatype, shape: shape.map(BigInt), data });
    }
    return { id: '', inputs, outputs: [], binaryByDefault: false, priority: 0n, timeoutUs: 0n };
  }
}

/** `{"b64": …}` is a value; every other object names inputs. */
const isNamed = (value: JsonValue | undefined): value is NamedValues =>
  isObject(value) && !value.has('b64');

function single(value: JsonValue | undefined, plan: ModelPlan): NamedValues {
  const [input, second] = plan.inputs;
  if (input === undefined || second !== undefined || value === undefined) {
    const names = plan.inputs.map(({ name }) => `'${name}'`).join(', ');
    throw invalidArgument(
      `model '${plan.name}' has ${plan.inputs.length} inputs: expected an object with values for ${names}`,
    );
  }
  return new Map([[input.name, value]]);
}

function rowsToColumns(instances: readonly JsonValue[], plan: ModelPlan): NamedValues {
  const columns = new Map<string, JsonValue[]>();
  for (const [row, instance] of instances.entries()) {
    const values = isNamed(instance) ? instance : single(instance, plan);
    for (const [name, value] of values) {
      const column = columns.get(name) ?? [];
      if (column.length !== row) throw missing(name, column.length);
      column.push(value);
      columns.set(name, column);
    }
  }
  for (const [name, { length }] of columns) {
    if (length !== instances.length) throw missing(name, length);
  }
  if (columns.size > 0) return columns;
  // No row at all: every input with no row.
  return new Map(plan.inputs.map(({ name }) => [name, []]));
}

const missing = (name: string, row: number): ServeError =>
  invalidArgument(`instance ${row} has no value for input '${name}', other instances have`);

function writeRows(outputs: readonly TensorValue[], rows: number): string {
  const columns = outputs.map((output) => {
    const { name, shape } = output;
    if (shape[0] !== rows) {
      throw invalidArgument(
        `output '${name}' of shape [${shape.join(',')}] has no row for each of the ${rows} instances: ` +
          'send "inputs" instead of "instances"',
      );
    }
    return { name, texts: nestedJson(output) };
  });
  const predictions: string[] = [];
  for (let row = 0; row < rows; row++) {
    const members = columns.map(({ name, texts }) => ({ name, text: texts.rows[row] ?? '[]' }));
    predictions.push(named(members));
  }
  return `{"predictions":[${predictions.join(',')}]}`;
}

const writeColumns = (outputs: readonly TensorValue[]): string =>
  `{"outputs":${named(outputs.map((output) => ({ name: output.name, text: nestedJson(output).all })))}}`;

function named(members: readonly { readonly name: string; readonly text: string }[]): string {
  const [only, second] = members;
  if (only !== undefined && second === undefined) return only.text;
  return `{${members.map(({ name, text }) => `${JSON.stringify(name)}:${text}`).join(',')}}`;
}
