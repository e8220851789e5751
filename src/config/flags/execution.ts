// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { OrcaLoadMetrics } from '../../addon/engine-options.ts';
import { bool, both, type Flag, integer, OPTIONAL_BOOLEAN, oneOf } from './flag.ts';

const ORCA_LOAD_METRICS: readonly OrcaLoadMetrics[] = [
  'off',
  'asked',
  'text',
  'json',
  'bin',
  'plain-text',
  'plain-json',
];

/** Who does what on which thread, and the forms of answers. */
export interface ExecutionOptions {
  /** one protocol per port (HTTP/1.1 on the HTTP port, HTTP/2 on the gRPC port) instead of both on each */
  readonly singleProtocolPorts: boolean;
  readonly jsonHealthBodies: boolean;
  /** FP16 and BF16 as numbers in JSON */
  readonly real16Json: boolean;
  /** routes of KServe beyond v2 */
  readonly kserveApi: boolean;
  /** pages and OpenAPI documents */
  readonly apiDocs: boolean;
  /** `GET /v2/health/details` and `GET /v2/memory` */
  readonly diagnosticsApi: boolean;
  /** how models form batches, over HTTP */
  readonly tuningApi: boolean;
  /** `properties` in model metadata */
  readonly modelProperties: boolean;
  /** 0 = min(4, CPUs the process may use) */
  readonly ioThreads: number;
  readonly inferPath: 'native' | 'typescript';
  readonly inlineExecution: 'auto' | 'off';
  readonly enableTestBackends: boolean;
  readonly serverTiming: boolean;
  readonly orcaLoadMetrics: OrcaLoadMetrics;
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptyExecutionOptions: ExecutionOptions = {
  singleProtocolPorts: true,
  jsonHealthBodies: false,
  real16Json: false,
  kserveApi: false,
  apiDocs: false,
  diagnosticsApi: false,
  tuningApi: false,
  modelProperties: false,
  ioThreads: 0,
  inferPath: 'native',
  inlineExecution: 'auto',
  enableTestBackends: false,
  serverTiming: false,
  orcaLoadMetrics: 'off',
};

export const executionFlags: readonly Flag<ExecutionOptions>[] = [
  {
    name: 'io-threads',
    group: 'Execution',
    value: '<integer>',
    help: 'Network threads; 0 means one per CPU the process may use, at most 4.',
    defaults: both('0'),
    set: (draft, value) => {
      draft.ioThreads = integer(value, 0, 256);
    },
  },
  {
    name: 'inline-execution',
    group: 'Execution',
    value: '<string>',
    help: '"auto" lets a network thread run a short model itself; "off" always hands over to the model\'s thread.',
    defaults: both('auto'),
    set: (draft, value) => {
      draft.inlineExecution = oneOf('inline-execution', value, ['auto', 'off']);
    },
  },
  {
    name: 'infer-path',
    group: 'Execution',
    value: '<string>',
    help: 'Who reads and writes infer requests: "native", or "typescript" (slow; for comparing the two).',
    defaults: both('native'),
    set: (draft, value) => {
      draft.inferPath = oneOf('infer-path', value, ['native', 'typescript']);
    },
  },
  {
    name: 'enable-test-backends',
    group: 'Execution',
    value: OPTIONAL_BOOLEAN,
    help: 'Offer the backends sleep, gate, burst, poison and stream and the door POST /v2/test/{model}. Never in production.',
    defaults: both('false'),
    set: (draft, value) => {
      draft.enableTestBackends = bool(value);
    },
  },
  {
    name: 'single-protocol-ports',
    group: 'Execution',
    value: OPTIONAL_BOOLEAN,
    help: 'true: HTTP/1.1 alone on the HTTP port, gRPC alone on the gRPC port. false: both on each.',
    defaults: { tritonserver: 'true', nereid: 'false' },
    set: (draft, value) => {
      draft.singleProtocolPorts = bool(value);
    },
  },
  {
    name: 'json-health-bodies',
    group: 'Execution',
    value: OPTIONAL_BOOLEAN,
    help: "true: health answers carry the JSON that KServe's client reads. false: empty bodies, as Triton.",
    defaults: both('true'),
    set: (draft, value) => {
      draft.jsonHealthBodies = bool(value);
    },
  },
  {
    name: 'server-timing',
    group: 'Execution',
    value: OPTIONAL_BOOLEAN,
    help: 'HTTP infer answers carry a Server-Timing header: milliseconds in the queue, computing, and in all.',
    defaults: both('false'),
    set: (draft, value) => {
      draft.serverTiming = bool(value);
    },
  },
  {
    name: 'orca-load-metrics',
    group: 'Execution',
    value: '<string>',
    help: 'Reports of load for balancers in infer and generate answers (ORCA): "asked" sends one where the request has endpoint-load-metrics-format; "text", "json", "bin", "plain-text" or "plain-json" sends one in every answer; "off" none.',
    defaults: both('off'),
    set: (draft, value) => {
      draft.orcaLoadMetrics = oneOf('orca-load-metrics', value, ORCA_LOAD_METRICS);
    },
  },
  {
    name: 'json-fp16',
    group: 'Execution',
    value: OPTIONAL_BOOLEAN,
    help: 'true: JSON carries FP16 and BF16 as numbers, both ways. false: it refuses them, as Triton.',
    defaults: { tritonserver: 'false', nereid: 'true' },
    set: (draft, value) => {
      draft.real16Json = bool(value);
    },
  },
  {
    name: 'kserve-api',
    group: 'Execution',
    value: OPTIONAL_BOOLEAN,
    help: "Answer what KServe's clients ask beyond v2 and Triton does not know: GET /, GET /v2/models and the v1 protocol under /v1/models.",
    defaults: both('true'),
    set: (draft, value) => {
      draft.kserveApi = bool(value);
    },
  },
  {
    name: 'model-properties',
    group: 'Execution',
    value: OPTIONAL_BOOLEAN,
    help: 'true: model metadata has the field properties of the Open Inference Protocol. false: it has the fields of Triton.',
    defaults: { tritonserver: 'false', nereid: 'true' },
    set: (draft, value) => {
      draft.modelProperties = bool(value);
    },
  },
  {
    name: 'diagnostics-api',
    group: 'Execution',
    value: OPTIONAL_BOOLEAN,
    help: 'Answer GET /v2/health/details (why the server or a model is not ready) and GET /v2/memory (what holds memory).',
    defaults: { tritonserver: 'false', nereid: 'true' },
    set: (draft, value) => {
      draft.diagnosticsApi = bool(value);
    },
  },
  {
    name: 'api-docs',
    group: 'Execution',
    value: OPTIONAL_BOOLEAN,
    help: 'Serve a page and an OpenAPI document of the server under /v2/docs and of each model under /v2/models/{m}/docs.',
    defaults: { tritonserver: 'false', nereid: 'true' },
    set: (draft, value) => {
      draft.apiDocs = bool(value);
    },
  },
  {
    name: 'tuning-api',
    group: 'Execution',
    value: OPTIONAL_BOOLEAN,
    help: 'Serve GET /v2/models/{m}/batching, which tells how a model forms its batches, and why.',
    defaults: { tritonserver: 'false', nereid: 'true' },
    set: (draft, value) => {
      draft.tuningApi = bool(value);
    },
  },
];
