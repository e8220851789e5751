// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

/** A model of a repository: files by their path in its folder. */
export interface TableModel {
  readonly name: string;
  /** text; `model` = a copy of the model file of the example `simple`, `folder` = a folder without files */
  readonly files: Readonly<Record<string, string | { readonly is: 'model' | 'folder' }>>;
}

const MODEL = { is: 'model' } as const;
const FOLDER = { is: 'folder' } as const;

const IO = `input { name: "IN" data_type: TYPE_INT32 dims: [ -1 ] }
output { name: "OUT" data_type: TYPE_INT32 dims: [ -1 ] }
`;
const IDENTITY = `backend: "identity" max_batch_size: 8\n${IO}`;
const TWO = `backend: "identity" max_batch_size: 8
input [ { name: "A" data_type: TYPE_INT32 dims: [ -1 ] }, { name: "B" data_type: TYPE_INT32 dims: [ 4 ] } ]
output [ { name: "C" data_type: TYPE_INT32 dims: [ -1 ] }, { name: "D" data_type: TYPE_INT32 dims: [ 4 ] } ]
`;

const parameter = (key: string, value: string): string =>
  `parameters { key: "${key}" value { string_value: "${value}" } }\n`;

const needs = (resources: string): string =>
  `instance_group { kind: KIND_CPU count: 1 rate_limiter { ${resources} } }\n`;

const warmup = (input: string, dims = '4', type = 'TYPE_INT32'): string =>
  `model_warmup { name: "w" batch_size: 1 inputs { key: "IN" value { data_type: ${type} dims: ${dims} ${input} } } }\n`;

/** A sequence model with one state that begins with what the fields of `initial` say. */
const sequence = (initial: string, more = ''): string =>
  `backend: "identity" max_batch_size: 8
input { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }
output { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }
sequence_batching {
  ${more}
  state { input_name: "SI" output_name: "SO" data_type: TYPE_INT32 dims: [ 2 ] ${initial} }
}
`;

const initial = (data: string, dims = '2'): string =>
  `initial_state { name: "s" data_type: TYPE_INT32 dims: ${dims} ${data} }`;

interface Step {
  readonly model: string;
  readonly version?: number;
  readonly from?: string;
  readonly to?: string;
  readonly input?: string;
}

const ensemble = (steps: readonly Step[], more = '', io = IO): string =>
  `platform: "ensemble" max_batch_size: 8\n${io}ensemble_scheduling { ${steps
    .map(
      ({ model, version = -1, from = 'IN', to = 'OUT', input = 'IN' }) =>
        `step { model_name: "${model}" model_version: ${version} input_map { key: "${input}" value: "${from}" } output_map { key: "OUT" value: "${to}" } }`,
    )
    .join('\n')} }\n${more}`;

const plain = (name: string, config: string, files: TableModel['files'] = {}): TableModel => ({
  name,
  files: { 'config.pbtxt': config, '1': FOLDER, ...files },
});
const onnx = (name: string, config: string): TableModel =>
  plain(name, config, { '1/model.onnx': MODEL });

/** Flags of the server under which the models are tried; a check takes the same. */
export const TABLE_FLAGS: readonly string[] = [
  '--rate-limit=execution_count',
  '--rate-limit-resource=R:4',
  '--rate-limit-resource=G:2:0',
  '--rate-limit-resource=H:2',
  '--rate-limit-resource=B:4',
];

/** Models that are well, each with a feature of its own, and models with one thing wrong each. */
export const TABLE: readonly TableModel[] = [
  // Well.
  plain('good', IDENTITY),
  plain('good_two', TWO),
  onnx('good_onnx', ''),
  onnx('good_threads', parameter('intra_op_thread_count', '2')),
  plain('good_labels', IDENTITY.replace('name: "OUT"', 'label_filename: "l.txt" name: "OUT"'), {
    'l.txt': 'a\nb\n',
  }),
  plain('good_warmup', IDENTITY + warmup('input_data_file: "row"'), {
    'warmup/row': 'x'.repeat(16),
  }),
  plain('good_zero', IDENTITY + warmup('zero_data: true')),
  plain('good_state', sequence(initial('data_file: "s"')), { 'initial_state/s': '12345678' }),
  plain('good_zero_state', sequence(initial('zero_data: true'))),
  plain('good_oldest', sequence('', 'oldest { max_candidate_sequences: 4 }')),
  plain('good_needs', IDENTITY + needs('resources { name: "r" count: 4 }')),
  plain(
    'good_padding',
    TWO + parameter('pad_input.A', 'buckets=8..64') + parameter('pad_output.D', 'none'),
  ),
  plain('good_rows', IDENTITY + parameter('max_request_rows', '64')),
  plain('good_target', `${IDENTITY}dynamic_batching { }\n${parameter('latency_target_ms', '50')}`),
  plain(
    'good_classes',
    `${IDENTITY}dynamic_batching { }\n${parameter('priority_classes', 'true')}`,
  ),
  plain('good_policy', `${IDENTITY}version_policy { all {} }\n`, { '3': FOLDER, '0': FOLDER }),
  plain(
    'good_ensemble',
    ensemble([
      { model: 'good', to: 't' },
      { model: 'good', from: 't' },
    ]),
  ),
  plain(
    'good_outer',
    ensemble([{ model: 'good_ensemble' }], parameter('max_inflight_bytes', '4096')),
  ),
  plain('good_cached', `${IDENTITY}response_cache { enable: true }\n`),
  plain('good_decoupled', `${IDENTITY}model_transaction_policy { decoupled: true }\n`),
  plain('good_json_beside', IDENTITY, { 'config.json': '{"nonsense": 1}' }),

  // Of the text.
  plain('text_syntax', 'backend: "identity" {'),
  plain('text_field', `${IDENTITY}nonsense: 1\n`),
  plain('text_enum', IDENTITY.replace('TYPE_INT32', 'INT32')),
  plain('text_number', `${IDENTITY}instance_group { count: 99999999999 }\n`),
  plain('text_twice', `${IDENTITY}max_batch_size: 4\n`),
  { name: 'text_folder', files: { 'config.pbtxt': FOLDER, '1': FOLDER } },
  plain('text_empty', ''),
  { name: 'text_missing', files: { '1': FOLDER } },

  // Of the folder.
  { name: 'version_missing', files: { 'config.pbtxt': IDENTITY } },
  {
    name: 'version_zero',
    files: { 'config.pbtxt': IDENTITY, '0': FOLDER, '01': FOLDER, v1: FOLDER },
  },
  plain('version_policy', `${IDENTITY}version_policy { specific { versions: 7 } }\n`),
  plain('good_latest_zero', `${IDENTITY}version_policy { latest { num_versions: 0 } }\n`),
  plain('version_negative', `${IDENTITY}version_policy { specific { versions: -1 } }\n`),
  plain('a..b', IDENTITY),
  plain('name_other', `${IDENTITY}name: "other"\n`),
  plain('labels_missing', IDENTITY.replace('name: "OUT"', 'label_filename: "none" name: "OUT"')),
  plain(
    'labels_outside',
    IDENTITY.replace('name: "OUT"', 'label_filename: "../good_labels/l.txt" name: "OUT"'),
  ),
  plain('warmup_missing', IDENTITY + warmup('input_data_file: "none"')),
  plain('warmup_short', IDENTITY + warmup('input_data_file: "row"'), { 'warmup/row': 'x' }),
  plain('warmup_shape', IDENTITY + warmup('zero_data: true', '-1')),
  plain('warmup_type', IDENTITY + warmup('zero_data: true', '4', 'TYPE_FP32')),
  plain('warmup_nothing', IDENTITY + warmup('')),
  plain('state_missing', sequence(initial('data_file: "none"'))),
  plain('state_short', sequence(initial('data_file: "s"')), { 'initial_state/s': '1234' }),
  plain('state_outside', sequence(initial('data_file: "../config.pbtxt"'))),

  // Of backends and model files.
  plain('backend_unknown', IDENTITY.replace('identity', 'no_such_backend')),
  plain('backend_missing', IO),
  plain('backend_tensors', IDENTITY.replace('TYPE_INT32', 'TYPE_FP32')),
  plain('backend_counts', TWO.replace(/, \{ name: "D".*\}/, ' ')),
  plain('file_missing', 'backend: "onnxruntime" max_batch_size: 8\n'),
  plain('file_text', 'backend: "onnxruntime" max_batch_size: 8\n', { '1/model.onnx': 'no model' }),
  plain(
    'file_outside',
    'backend: "onnxruntime" default_model_filename: "../../good_onnx/1/model.onnx"\n',
  ),
  onnx(
    'file_type',
    'max_batch_size: 8 input { name: "INPUT0" data_type: TYPE_FP32 dims: [ 16 ] }\n',
  ),
  onnx(
    'file_shape',
    'max_batch_size: 8 input { name: "INPUT0" data_type: TYPE_INT32 dims: [ 3 ] }\n',
  ),
  onnx(
    'file_tensor',
    'max_batch_size: 8 output { name: "NONE" data_type: TYPE_INT32 dims: [ 16 ] }\n',
  ),
  onnx('file_threads', parameter('intra_op_thread_count', 'many')),
  onnx('file_share', parameter('share_session_between_instances', 'perhaps')),
  plain('file_second', 'backend: "onnxruntime" max_batch_size: 8 version_policy { all {} }\n', {
    '1/model.onnx': MODEL,
    '2/model.onnx': 'no model',
  }),

  // Of rules.
  plain('rule_count', `${IDENTITY}instance_group { count: -1 }\n`),
  plain(
    'rule_counts',
    `${IDENTITY}instance_group { count: 1000 kind: KIND_CPU } instance_group { count: 1000 kind: KIND_CPU name: "b" }\n`,
  ),
  plain('rule_kind', `${IDENTITY}instance_group { kind: KIND_GPU }\n`),
  plain('rule_gpus', `${IDENTITY}instance_group { kind: KIND_CPU gpus: [ 0 ] }\n`),
  plain('rule_dims', IDENTITY.replace('[ -1 ]', '[ 9223372036854775807 ]')),
  plain('rule_zero_dim', IDENTITY.replace('[ -1 ]', '[ 0 ]')),
  plain('rule_preferred', `${IDENTITY}dynamic_batching { preferred_batch_size: 16 }\n`),
  plain('good_unbatched', `${IDENTITY.replace(': 8', ': 0')}dynamic_batching { }\n`),
  plain(
    'good_ragged',
    IDENTITY.replace('name: "IN"', 'allow_ragged_batch: true name: "IN"').replace(': 8', ': 0'),
  ),
  plain(
    'rule_batch_input',
    `${IDENTITY}batch_input { kind: BATCH_ELEMENT_COUNT target_name: "n" data_type: TYPE_INT32 source_input: "NONE" }\n`,
  ),
  plain(
    'rule_item_shape',
    `${IDENTITY.replace(': 8', ': 0')}batch_input { kind: BATCH_ITEM_SHAPE target_name: "n" data_type: TYPE_INT32 source_input: "IN" }\n`,
  ),
  plain(
    'rule_scatter',
    `${IDENTITY.replace('name: "OUT" data_type: TYPE_INT32 dims: [ -1 ]', 'name: "OUT" data_type: TYPE_INT32 dims: [ 1, -1 ]')}batch_output { kind: BATCH_SCATTER_WITH_INPUT_SHAPE target_name: "OUT" source_input: "IN" }\n`,
  ),
  plain(
    'rule_buckets',
    `${IDENTITY}model_metrics { metric_control { metric_identifier { family: "nv_inference_first_response_histogram_ms" } histogram_options { buckets: [ 3, 2 ] } } }\n`,
  ),
  plain('rule_tag', `${IDENTITY}metric_tags { key: "a-b" value: "x" }\n`),
  plain(
    'rule_priority',
    `${IDENTITY}dynamic_batching { priority_levels: 2 default_priority_level: 3 }\n`,
  ),
  plain('rule_unsupported', `${IDENTITY}runtime: "mine.so"\n`),
  plain('rule_passive', `${IDENTITY}instance_group { kind: KIND_CPU passive: true }\n`),
  plain('good_platform', `${IDENTITY}platform: "onnxruntime_onnx"\n`),

  // Of sequences.
  plain('sequence_both', `${sequence('')}dynamic_batching { }\n`),
  plain('good_slots', sequence('', 'oldest { max_candidate_sequences: 0 }')),
  plain(
    'sequence_control',
    sequence('', 'control_input { name: "S" control { kind: CONTROL_SEQUENCE_START } }'),
  ),
  plain(
    'sequence_controls',
    sequence(
      '',
      'control_input { name: "S" control { kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] } control { kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] } }',
    ),
  ),
  plain('sequence_rank', sequence(initial('zero_data: true', '[ 2, 2 ]'))),
  plain('sequence_huge', sequence(initial('zero_data: true', '1099511627776'))),
  plain('sequence_limited', sequence('') + needs('resources { name: "R" count: 1 }')),
  plain('sequence_rows', sequence('') + parameter('max_request_rows', '64')),
  plain(
    'sequence_type',
    sequence('').replace('output_name: "SO" data_type: TYPE_INT32', 'output_name: "SO"'),
  ),

  // Of parameters.
  plain('parameter_input', IDENTITY + parameter('pad_input.NONE', 'buckets=8')),
  plain('parameter_buckets', IDENTITY + parameter('pad_input.IN', 'buckets=many')),
  plain('parameter_word', IDENTITY + parameter('pad_input.IN', 'bucket=8')),
  plain('parameter_fixed', TWO + parameter('pad_input.B', 'buckets=8')),
  plain('parameter_value', IDENTITY + parameter('pad_input.IN', 'buckets=8 value=0.5')),
  plain('parameter_output', IDENTITY + parameter('pad_output.NONE', 'none')),
  plain(
    'parameter_source',
    TWO + parameter('pad_input.A', 'buckets=8') + parameter('pad_output.C', 'axis=0 input=B'),
  ),
  plain('parameter_rows', IDENTITY + parameter('max_request_rows', '4')),
  plain(
    'parameter_decoupled',
    `${IDENTITY}model_transaction_policy { decoupled: true }\n${parameter('max_request_rows', '64')}`,
  ),
  plain('parameter_target', IDENTITY + parameter('latency_target_ms', '50')),
  plain(
    'parameter_target_text',
    `${IDENTITY}dynamic_batching { }\n${parameter('latency_target_ms', 'fast')}`,
  ),
  plain(
    'parameter_classes',
    `${IDENTITY}dynamic_batching { preserve_ordering: true }\n${parameter('priority_classes', 'true')}`,
  ),
  plain(
    'parameter_ageing',
    `${IDENTITY}dynamic_batching { }\n${parameter('priority_classes', 'true')}${parameter('priority_class_ageing_ms', '0')}`,
  ),
  plain('parameter_bytes', IDENTITY + parameter('max_queue_bytes', '1MB')),
  plain('parameter_admission', IDENTITY + parameter('admission', 'maybe')),

  // Of the rate limiter.
  plain('needs_more', IDENTITY + needs('resources { name: "R" count: 5 }')),
  plain('needs_unknown', IDENTITY + needs('resources { name: "S" count: 1 }')),
  plain('needs_device', IDENTITY + needs('resources { name: "G" count: 3 }')),
  plain('needs_global', IDENTITY + needs('resources { name: "H" global: true count: 3 }')),
  plain(
    'needs_both',
    IDENTITY +
      needs('resources { name: "B" count: 1 }') +
      needs('resources { name: "b" global: true count: 1 }').replace('count', 'name: "b" count'),
  ),

  // Of ensembles.
  plain('flow_unknown', ensemble([{ model: 'no_such_model' }])),
  plain('flow_broken', ensemble([{ model: 'text_field' }])),
  plain('flow_refused', ensemble([{ model: 'backend_tensors' }])),
  plain('flow_outer', ensemble([{ model: 'flow_broken' }])),
  plain('flow_itself', ensemble([{ model: 'flow_itself' }])),
  plain('flow_circle_a', ensemble([{ model: 'flow_circle_b' }])),
  plain('flow_circle_b', ensemble([{ model: 'flow_circle_a' }])),
  plain('flow_version', ensemble([{ model: 'good', version: 9 }])),
  plain('flow_tensor', ensemble([{ model: 'good', input: 'NONE' }])),
  plain('flow_type', ensemble([{ model: 'good' }], '', IO.replace('TYPE_INT32', 'TYPE_FP32'))),
  plain('flow_unmade', ensemble([{ model: 'good', from: 'nowhere' }])),
  plain(
    'flow_rows',
    ensemble([{ model: 'good' }]).replace('max_batch_size: 8', 'max_batch_size: 64'),
  ),
  plain('flow_batching', ensemble([{ model: 'good' }], 'dynamic_batching { }\n')),
  plain('flow_bytes', ensemble([{ model: 'good' }], parameter('max_inflight_bytes', 'many'))),
  plain('flow_split', ensemble([{ model: 'good' }], parameter('max_request_rows', '64'))),
  plain('flow_empty', `platform: "ensemble" max_batch_size: 8\n${IO}ensemble_scheduling { }\n`),
  plain('flow_warmup', ensemble([{ model: 'good' }], warmup('zero_data: true'))),
];
