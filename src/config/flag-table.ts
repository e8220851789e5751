// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import type { OptionsDraft, Program } from './options.ts';

/** Why a value is refused; becomes the second line under `Bad option: "--<flag>".` */
export class FlagError extends Error {}

export type FlagGroup =
  | 'Server'
  | 'Logging'
  | 'Model repository'
  | 'HTTP'
  | 'GRPC'
  | 'Metrics'
  | 'Backend'
  | 'Limits'
  | 'Execution'
  | 'Set-up';

/** `--flag`, `--flag=value` or `--flag value`; the flag alone means true. Our own switches only: Triton has none. */
export const OPTIONAL_BOOLEAN = '[boolean]';

/** One row of the table that drives parsing, `--help` and docs/flags.md. */
export interface Flag {
  readonly name: string;
  readonly group: FlagGroup;
  /** how `--help` writes the value; empty for a flag without one, `[boolean]` for one that alone means true */
  readonly value: string;
  readonly help: string;
  /** as one would write them on the command line; absent = no default */
  readonly defaults?: Readonly<Record<Program, string>>;
  readonly repeats?: boolean;
  /** the one program that has the flag */
  readonly only?: Program;
  /** why a flag of Triton that is accepted changes nothing here */
  readonly withoutEffect?: string;
  /** @throws FlagError */
  set(draft: OptionsDraft, value: string): void;
}

const INT32_MAX = 2_147_483_647;

function integer(value: string, min: number, max: number): number {
  if (!/^[+-]?\d+$/.test(value)) throw new FlagError(`Invalid option value. Got ${value}`);
  const number = Number(value);
  if (!Number.isSafeInteger(number) || Math.abs(number) > Math.max(INT32_MAX, max)) {
    throw new FlagError(`Provided option value is out of bound. Got ${value}`);
  }
  if (number < min || number > max) {
    throw new FlagError(`Expected a value from ${min} to ${max}. Got ${value}`);
  }
  return number;
}

function decimal(value: string, above: number): number {
  const number = Number(value);
  if (value.trim() === '' || !Number.isFinite(number)) {
    throw new FlagError(`Invalid option value. Got ${value}`);
  }
  if (number <= above) throw new FlagError(`Expected a value above ${above}. Got ${value}`);
  return number;
}

function bool(value: string): boolean {
  const word = value.toLowerCase();
  if (word === 'true' || word === 'on' || word === '1') return true;
  if (word === 'false' || word === 'off' || word === '0') return false;
  throw new FlagError(`invalid value for bool option: ${value}`);
}

function oneOf<T extends string>(flag: string, value: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) {
    throw new FlagError(
      `invalid argument for --${flag}: expected ${choices.join(', ')}. Got ${value}`,
    );
  }
  return found;
}

function notEmpty(value: string): string {
  if (value === '') throw new FlagError('Expected a value. Got an empty one');
  return value;
}

/** An address to bind. Triton writes IPv6 as `ipv6:[::1]`; plain and bracketed forms are taken too. */
function address(value: string): string {
  const plain = notEmpty(value).replace(/^ipv[46]:/, '');
  return plain.startsWith('[') && plain.endsWith(']') ? plain.slice(1, -1) : plain;
}

const port = (value: string): number => integer(value, 0, 65_535);
const both = (value: string): Record<Program, string> => ({ tritonserver: value, nereid: value });
const ignore = (): void => undefined;

function ignored(name: string, group: FlagGroup, value: string, withoutEffect: string): Flag {
  return { name, group, value, help: `Accepted for Triton's sake.`, withoutEffect, set: ignore };
}

const NO_GPU_MEMORY = 'this server does not use GPU memory yet';
const OWN_THREADS = '--io-threads sets the number of network threads';

export const serverFlags: readonly Flag[] = [
  {
    name: 'help',
    group: 'Server',
    value: '',
    help: 'Print usage',
    set: ignore,
  },
  {
    name: 'id',
    group: 'Server',
    value: '<string>',
    help: 'Name of the server in its metadata.',
    defaults: { tritonserver: 'triton', nereid: 'nereid' },
    set: (draft, value) => {
      draft.id = value;
    },
  },
  {
    name: 'exit-timeout-secs',
    group: 'Server',
    value: '<integer>',
    help: 'Seconds that requests in flight may take to finish once the server was told to stop.',
    defaults: both('30'),
    set: (draft, value) => {
      draft.exitTimeoutSecs = integer(value, 0, INT32_MAX / 1000 - 1);
    },
  },
  {
    name: 'log-verbose',
    group: 'Logging',
    value: '<integer>',
    help: 'Level of verbose lines; 0 writes none.',
    defaults: both('0'),
    set: (draft, value) => {
      draft.logVerbose = integer(value, 0, INT32_MAX);
    },
  },
  {
    name: 'log-info',
    group: 'Logging',
    value: '<boolean>',
    help: 'Write lines of level info.',
    defaults: both('true'),
    set: (draft, value) => {
      draft.logInfo = bool(value);
    },
  },
  {
    name: 'log-warning',
    group: 'Logging',
    value: '<boolean>',
    help: 'Write lines of level warning.',
    defaults: both('true'),
    set: (draft, value) => {
      draft.logWarning = bool(value);
    },
  },
  {
    name: 'log-error',
    group: 'Logging',
    value: '<boolean>',
    help: 'Write lines of level error.',
    defaults: both('true'),
    set: (draft, value) => {
      draft.logError = bool(value);
    },
  },
  {
    name: 'log-format',
    group: 'Logging',
    value: '<string>',
    help: 'Layout of a line: "default" (LMMDD hh:mm:ss.ssssss pid file:line] "text") or "ISO8601".',
    defaults: both('default'),
    set: (draft, value) => {
      draft.logFormat = oneOf('log-format', value, ['default', 'ISO8601']);
    },
  },
  {
    name: 'model-repository',
    group: 'Model repository',
    value: '<path>',
    help: 'Folder of models. May be given several times; a model found in two of them is not served.',
    repeats: true,
    set: (draft, value) => {
      draft.modelRepositories = [...draft.modelRepositories, notEmpty(value)];
    },
  },
  {
    name: 'model-store',
    group: 'Model repository',
    value: '<path>',
    help: 'The same as --model-repository.',
    repeats: true,
    set: (draft, value) => {
      draft.modelRepositories = [...draft.modelRepositories, notEmpty(value)];
    },
  },
  {
    name: 'exit-on-error',
    group: 'Model repository',
    value: '<boolean>',
    help: 'End with status 1 when a model fails to load at the start; false serves the others.',
    defaults: both('true'),
    set: (draft, value) => {
      draft.exitOnError = bool(value);
    },
  },
  {
    name: 'disable-auto-complete-config',
    group: 'Model repository',
    value: '',
    help: 'Take config.pbtxt as it is: nothing is read from the model files to complete it.',
    set: (draft) => {
      draft.autoCompleteConfig = false;
    },
  },
  {
    name: 'strict-readiness',
    group: 'Model repository',
    value: '<boolean>',
    help: 'true: the server is ready when every model asked for is available. false: when it answers.',
    defaults: both('true'),
    set: (draft, value) => {
      draft.strictReadiness = bool(value);
    },
  },
  {
    name: 'model-control-mode',
    group: 'Model repository',
    value: '<string>',
    help: '"none" loads every model at the start and no other; "explicit" loads those of --load-model and what the load API asks for.',
    defaults: both('none'),
    set: (draft, value) => {
      if (value === 'poll') {
        throw new FlagError(
          'the mode "poll" is not built yet: use "none", or "explicit" and the load API',
        );
      }
      draft.modelControlMode = oneOf('model-control-mode', value, ['none', 'explicit']);
    },
  },
  {
    name: 'load-model',
    group: 'Model repository',
    value: '<string>',
    help: 'Model to load at the start in mode "explicit". May be given several times; * alone means all.',
    repeats: true,
    set: (draft, value) => {
      draft.loadModels = [...draft.loadModels, notEmpty(value)];
    },
  },
  {
    name: 'model-load-thread-count',
    group: 'Model repository',
    value: '<integer>',
    help: 'Models that may load at the same time.',
    defaults: both('4'),
    set: (draft, value) => {
      draft.modelLoadThreadCount = integer(value, 1, 1024);
    },
  },
  {
    name: 'allow-http',
    group: 'HTTP',
    value: '<boolean>',
    help: 'Listen for HTTP requests.',
    defaults: both('true'),
    set: (draft, value) => {
      draft.allowHttp = bool(value);
    },
  },
  {
    name: 'http-address',
    group: 'HTTP',
    value: '<string>',
    help: 'Address the HTTP port binds.',
    defaults: { tritonserver: '0.0.0.0', nereid: '127.0.0.1' },
    set: (draft, value) => {
      draft.httpAddress = address(value);
    },
  },
  {
    name: 'http-port',
    group: 'HTTP',
    value: '<integer>',
    help: 'Port for HTTP requests; 0 takes a free one and the start line names it.',
    defaults: both('8000'),
    set: (draft, value) => {
      draft.httpPort = port(value);
    },
  },
  {
    name: 'reuse-http-port',
    group: 'HTTP',
    value: '<boolean>',
    help: 'Let several servers listen on the same HTTP port when each has this flag.',
    defaults: both('false'),
    set: (draft, value) => {
      draft.reuseHttpPort = bool(value);
    },
  },
  {
    name: 'http-max-input-size',
    group: 'HTTP',
    value: '<integer>',
    help: 'Largest JSON input in bytes. The binary tail of a request is bounded by --memory-limit.',
    defaults: both('67108864'),
    set: (draft, value) => {
      draft.httpMaxInputBytes = integer(value, 1, Number.MAX_SAFE_INTEGER);
    },
  },
  ignored('http-thread-count', 'HTTP', '<integer>', OWN_THREADS),
  {
    name: 'allow-grpc',
    group: 'GRPC',
    value: '<boolean>',
    help: 'Listen for gRPC requests.',
    defaults: both('true'),
    set: (draft, value) => {
      draft.allowGrpc = bool(value);
    },
  },
  {
    name: 'grpc-address',
    group: 'GRPC',
    value: '<string>',
    help: 'Address the gRPC port binds.',
    defaults: { tritonserver: '0.0.0.0', nereid: '127.0.0.1' },
    set: (draft, value) => {
      draft.grpcAddress = address(value);
    },
  },
  {
    name: 'grpc-port',
    group: 'GRPC',
    value: '<integer>',
    help: 'Port for gRPC requests; 0 takes a free one and the start line names it.',
    defaults: both('8001'),
    set: (draft, value) => {
      draft.grpcPort = port(value);
    },
  },
  {
    name: 'reuse-grpc-port',
    group: 'GRPC',
    value: '<boolean>',
    help: 'Let several servers listen on the same gRPC port when each has this flag.',
    defaults: both('false'),
    set: (draft, value) => {
      draft.reuseGrpcPort = bool(value);
    },
  },
  {
    ...ignored('grpc-infer-thread-count', 'GRPC', '<integer>', OWN_THREADS),
    set: (_, value) => {
      integer(value, 2, 128);
    },
  },
  ignored('grpc-infer-allocation-pool-size', 'GRPC', '<integer>', 'requests take no pooled state'),
  {
    name: 'allow-metrics',
    group: 'Metrics',
    value: '<boolean>',
    help: 'Serve Prometheus metrics.',
    defaults: both('true'),
    set: (draft, value) => {
      draft.allowMetrics = bool(value);
    },
  },
  ignored(
    'allow-cpu-metrics',
    'Metrics',
    '<boolean>',
    'CPU and memory of the machine are always on the page',
  ),
  ignored('allow-gpu-metrics', 'Metrics', '<boolean>', 'this server has no GPU metrics yet'),
  {
    name: 'metrics-address',
    group: 'Metrics',
    value: '<string>',
    help: 'Address the metrics port binds; the HTTP address when left out.',
    set: (draft, value) => {
      draft.metricsAddress = address(value);
    },
  },
  {
    name: 'metrics-port',
    group: 'Metrics',
    value: '<integer>',
    help: 'Port for Prometheus metrics; 0 takes a free one and the start line names it.',
    defaults: both('8002'),
    set: (draft, value) => {
      draft.metricsPort = port(value);
    },
  },
  {
    ...ignored(
      'metrics-interval-ms',
      'Metrics',
      '<float>',
      'values are read when the page is asked for',
    ),
    set: (_, value) => {
      decimal(value, 0);
    },
  },
  {
    name: 'backend-config',
    group: 'Backend',
    value: '<[backend,]key=value>',
    help: 'Setting of a backend, or of all. Known: default-max-batch-size; onnxruntime,intra_op_thread_count; onnxruntime,inter_op_thread_count.',
    repeats: true,
    set: (draft, value) => {
      const parts = /^(?:([^,=]*),)?([^=]+)=(.*)$/s.exec(value);
      if (parts === null) {
        throw new FlagError(
          `--backend-config option format is '<backend name>,<setting>=<value>'. Got ${value}`,
        );
      }
      const [, backend = '', key = '', setting = ''] = parts;
      if (/^default-max-batch-size$|_op_thread_count$/.test(key)) integer(setting, 0, INT32_MAX);
      draft.backendConfig = [...draft.backendConfig, { backend, key, value: setting }];
    },
  },
  {
    name: 'onnxruntime-library',
    group: 'Backend',
    value: '<path>',
    help: 'libonnxruntime.so to load instead of the one that "nereid setup onnxruntime" fetched.',
    set: (draft, value) => {
      draft.onnxRuntimeLibrary = notEmpty(value);
    },
  },
  ignored('backend-directory', 'Backend', '<path>', 'the backends of this server are built in'),
  ignored('repoagent-directory', 'Backend', '<path>', 'this server has no repository agents'),
  ignored('cache-directory', 'Backend', '<path>', 'this server has no response cache yet'),
  ignored('pinned-memory-pool-byte-size', 'Backend', '<integer>', NO_GPU_MEMORY),
  { ...ignored('cuda-memory-pool-byte-size', 'Backend', '<string>', NO_GPU_MEMORY), repeats: true },
  ignored('enable-peer-access', 'Backend', '<boolean>', NO_GPU_MEMORY),
  ignored('min-supported-compute-capability', 'Backend', '<float>', NO_GPU_MEMORY),
  ignored(
    'buffer-manager-thread-count',
    'Backend',
    '<integer>',
    'tensors are copied by the thread that needs them',
  ),
  {
    name: 'memory-limit',
    group: 'Limits',
    value: '<integer>',
    help: 'Bytes that requests, tensors and answers may take together; 0 means half of the memory the process may use.',
    defaults: both('0'),
    set: (draft, value) => {
      draft.memoryLimitBytes = integer(value, 0, Number.MAX_SAFE_INTEGER);
    },
  },
  {
    name: 'max-queue-size',
    group: 'Limits',
    value: '<integer>',
    help: 'Requests that may wait for one model whose configuration sets no limit; 0 means no limit.',
    defaults: { tritonserver: '0', nereid: '1024' },
    set: (draft, value) => {
      draft.maxQueueSize = integer(value, 0, INT32_MAX);
    },
  },
  {
    name: 'queue-full-status',
    group: 'Limits',
    value: '<string>',
    help: 'What a full queue answers: "unavailable" (503, UNAVAILABLE) or "exhausted" (429 with Retry-After, RESOURCE_EXHAUSTED).',
    defaults: { tritonserver: 'unavailable', nereid: 'exhausted' },
    set: (draft, value) => {
      const word = oneOf('queue-full-status', value, ['unavailable', 'exhausted']);
      draft.queueFullStatus = word === 'exhausted' ? 'ResourceExhausted' : 'Unavailable';
    },
  },
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
    defaults: { tritonserver: 'false', nereid: 'true' },
    set: (draft, value) => {
      draft.jsonHealthBodies = bool(value);
    },
  },
  {
    name: 'setup',
    group: 'Set-up',
    value: '<string>',
    help: 'When a model needs ONNX Runtime and it is not installed: "ask" on a terminal (elsewhere fetch it), "auto" fetch it, "never" refuse the model.',
    defaults: { tritonserver: 'never', nereid: 'ask' },
    set: (draft, value) => {
      draft.setup = oneOf('setup', value, ['ask', 'auto', 'never']);
    },
  },
];

const NOT_YET = 'this server does not have it yet';

/** Flags of Triton that are neither honoured nor harmless to ignore; refused by name so that nobody searches a typo. */
export const refusedTritonFlags: ReadonlyMap<string, string> = new Map([
  ['log-file', 'lines go to stderr; redirect it'],
  ['repository-poll-secs', 'the model control mode "poll" is not built yet'],
  ['strict-model-config', 'use --disable-auto-complete-config'],
  ['response-cache-byte-size', NOT_YET],
  ...[
    'model-config-name',
    'model-load-retry-count',
    'model-namespacing',
    'http-header-forward-pattern',
    'http-restricted-api',
    'grpc-header-forward-pattern',
    'grpc-max-response-pool-size',
    'grpc-use-ssl',
    'grpc-use-ssl-mutual',
    'grpc-server-cert',
    'grpc-server-key',
    'grpc-root-cert',
    'grpc-infer-response-compression-level',
    'grpc-restricted-protocol',
    'grpc-keepalive-time',
    'grpc-keepalive-timeout',
    'grpc-keepalive-permit-without-calls',
    'grpc-http2-max-pings-without-data',
    'grpc-http2-min-recv-ping-interval-without-data',
    'grpc-http2-max-ping-strikes',
    'grpc-max-connection-age',
    'grpc-max-connection-age-grace',
    'allow-sagemaker',
    'sagemaker-port',
    'sagemaker-safe-port-range',
    'sagemaker-thread-count',
    'allow-vertex-ai',
    'vertex-ai-port',
    'vertex-ai-thread-count',
    'vertex-ai-default-model',
    'metrics-config',
    'trace-config',
    'trace-file',
    'trace-level',
    'trace-rate',
    'trace-count',
    'trace-log-frequency',
    'cache-config',
    'rate-limit',
    'rate-limit-resource',
    'cuda-virtual-address-size',
    'host-policy',
    'model-load-gpu-limit',
    'allow-client-shm',
  ].map((name): [string, string] => [name, NOT_YET]),
]);
