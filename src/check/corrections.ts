// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { InspectedTensor, ModelInspection } from '../addon/types.ts';
import { configDataType } from '../config/autofill.ts';
import type { CheckedProblem } from '../config/complete.ts';
import type { ModelConfig, ModelInput, ModelOutput } from '../config/model-config.ts';
import type { TextEdit } from '../config/pbtxt-remedy.ts';
import { didYouMean } from '../config/suggest.ts';
import type { Draft } from './draft.ts';

/** What a correction may look at. */
export interface Known {
  readonly modelName: string;
  /** completed as far as possible */
  readonly config: ModelConfig;
  readonly inspection?: ModelInspection | undefined;
}

type Kind = 'input' | 'output';

/**
 * The edits that put a problem right where one answer is likely; undefined where only the writer can tell.
 * What the model file says goes before what the configuration says.
 */
export function correct(
  { path, text, from }: CheckedProblem,
  draft: Draft,
  known: Known,
): readonly TextEdit[] | undefined {
  const tensor = /^(input|output)\[(\d+)\](?:\.(.+))?$/.exec(path);
  if (tensor !== null) {
    const [, kind, index, field = ''] = tensor;
    const context = { kind: kind as Kind, at: `${kind}[${index}]`, index: Number(index) };
    const edits = tensorEdits({ ...context, field, text, from }, draft, known);
    if (edits !== undefined) return edits;
  }
  if (from === 'model-file') return fileEdits(path, draft, known);
  return ruleEdits(path, text, draft, known);
}

interface TensorProblem {
  readonly kind: Kind;
  /** e.g. `input[0]` */
  readonly at: string;
  readonly index: number;
  /** below `at`; empty for the tensor as a whole */
  readonly field: string;
  readonly text: string;
  readonly from: CheckedProblem['from'];
}

function tensorEdits(
  problem: TensorProblem,
  draft: Draft,
  known: Known,
): readonly TextEdit[] | undefined {
  const { at, kind, index, field, text } = problem;
  const declared = known.config[kind][index];
  const provided = kind === 'input' ? known.inspection?.inputs : known.inspection?.outputs;
  const inFile = provided?.find(({ name }) => name === declared?.name);
  if (problem.from === 'model-file') {
    if (field === 'name') return nameEdits(problem, draft, known, provided ?? []);
    if (declared === undefined || inFile === undefined) return undefined;
    if (field === 'data_type') return draft.set(`${at}.data_type`, configDataType(inFile.datatype));
    return shapeEdits(at, kind, declared, inFile, draft, known);
  }
  if (field === 'is_shape_tensor' || field === 'is_non_linear_format_io')
    return draft.remove(`${at}.${field}`);
  if (text.includes('NHWC/NCHW')) return draft.remove(`${at}.format`);
  if (/^dims\[\d+\]$/.test(field) && inFile === undefined) return draft.set(`${at}.${field}`, '-1');
  if (text.includes("must specify 'name'")) return nameEdits(problem, draft, known, provided ?? []);
  if (declared === undefined || inFile === undefined) return undefined;
  if (text.includes("must specify 'data_type'"))
    return draft.set(`${at}.data_type`, configDataType(inFile.datatype));
  if (text.includes("must specify 'dims'") || /^(dims|reshape)/.test(field))
    return shapeEdits(at, kind, declared, inFile, draft, known);
  return undefined;
}

/** The one tensor of the file that nothing else in the configuration names, or the one spelt alike. */
function nameEdits(
  { at, kind, index, field }: TensorProblem,
  draft: Draft,
  { config, inspection }: Known,
  provided: readonly InspectedTensor[],
): readonly TextEdit[] | undefined {
  if (inspection === undefined) return undefined;
  const taken = new Set(config[kind].map(({ name }) => name));
  const free = provided.map(({ name }) => name).filter((name) => !taken.has(name));
  const strangers = config[kind].filter(({ name }) => provided.every((one) => one.name !== name));
  const written = config[kind][index]?.name ?? '';
  const [only] = free;
  const meant =
    free.length === 1 && strangers.length === 1
      ? only
      : written === ''
        ? undefined
        : didYouMean(written, free);
  if (meant !== undefined) return draft.set(`${at}.name`, JSON.stringify(meant));
  return field === 'name' && free.length === 0 ? draft.remove(at) : undefined;
}

function shapeEdits(
  at: string,
  kind: Kind,
  declared: ModelInput | ModelOutput,
  { shape }: InspectedTensor,
  draft: Draft,
  { config }: Known,
): readonly TextEdit[] | undefined {
  const isBatching = config.max_batch_size > 0;
  const cannotBatch = isBatching && shape[0] !== -1;
  const model = isBatching && !cannotBatch ? shape.slice(1) : shape;
  const keep = kind === 'input' && declared.dims.length === model.length;
  const dims = model.map((dim, i) => (dim === -1 && keep ? atLeastOne(declared.dims[i]) : dim));
  const unshaped = declared.reshape === undefined ? [] : draft.remove(`${at}.reshape`);
  const given = draft.set(`${at}.dims`, dims.length === 0 ? '[ 1 ]' : `[ ${dims.join(', ')} ]`);
  const batch = cannotBatch ? draft.set('max_batch_size', '0') : [];
  return unshaped && given && batch && [...unshaped, ...given, ...batch];
}

/** A size as it was given; free where it is none. */
function atLeastOne(dim: bigint | undefined): bigint {
  return dim === undefined || dim < 1n ? -1n : dim;
}

function fileEdits(
  path: string,
  draft: Draft,
  { config, inspection }: Known,
): readonly TextEdit[] | undefined {
  if (path === 'max_batch_size') return draft.set('max_batch_size', '0');
  if (path !== 'input' || inspection === undefined) return undefined;
  const isNamed = (name: string): boolean => config.input.some((input) => input.name === name);
  if (config.input.some(({ name }) => inspection.inputs.every((one) => one.name !== name)))
    return undefined;
  const batches = config.max_batch_size > 0;
  return inspection.inputs
    .filter(({ name }) => !isNamed(name))
    .flatMap(({ name, datatype, shape }) =>
      draft.insert(
        '',
        `input { name: ${JSON.stringify(name)} data_type: ${configDataType(datatype)} ` +
          `dims: [ ${shape.slice(batches ? 1 : 0).join(', ')} ] }`,
      ),
    );
}

function ruleEdits(
  path: string,
  text: string,
  draft: Draft,
  { modelName, config }: Known,
): readonly TextEdit[] | undefined {
  const [, list] = /^(.*\.preferred_batch_size)\[\d+\]$/.exec(path) ?? [];
  if (list !== undefined) return preferredEdits(list, draft, config);
  const [, group, field] = /^(instance_group\[\d+\])\.(\w+)$/.exec(path) ?? [];
  if (group !== undefined && field !== undefined) return groupEdits(group, field, draft);
  switch (path) {
    case 'name':
      return draft.set('name', JSON.stringify(modelName));
    case 'max_batch_size':
      return draft.set('max_batch_size', '0');
    case 'platform':
      return text.includes('pair') ? draft.remove('platform') : undefined;
    case 'ensemble_scheduling':
      return config.platform === '' && config.backend === ''
        ? draft.set('platform', '"ensemble"')
        : undefined;
    case 'instance_group':
    case 'optimization':
    case 'model_warmup':
      return text.includes(' for ensemble ') ? draft.remove(path) : undefined;
    case 'response_cache.enable':
      return draft.set(path, 'false');
    case 'dynamic_batching.priority_levels':
    case 'dynamic_batching.default_priority_level':
      return draft.set('dynamic_batching.default_priority_level', '1');
    case 'sequence_batching.direct.minimum_slot_utilization':
      return draft.set(path, '1.0');
    default:
      return undefined;
  }
}

function preferredEdits(
  list: string,
  draft: Draft,
  config: ModelConfig,
): readonly TextEdit[] | undefined {
  const given = list.startsWith('dynamic')
    ? config.dynamic_batching?.preferred_batch_size
    : config.sequence_batching?.oldest?.preferred_batch_size;
  if (config.max_batch_size < 1) return draft.remove(list);
  const fitting = (given ?? []).filter((size) => size >= 1 && size <= config.max_batch_size);
  const sizes = fitting.length > 0 ? fitting : [config.max_batch_size];
  return draft.set(list, `[ ${sizes.join(', ')} ]`);
}

function groupEdits(group: string, field: string, draft: Draft): readonly TextEdit[] | undefined {
  if (field === 'count') return draft.set(`${group}.count`, '1');
  if (field === 'kind') return draft.set(`${group}.kind`, 'KIND_CPU');
  return field === 'gpus' || field === 'profile' ? draft.remove(`${group}.${field}`) : undefined;
}
