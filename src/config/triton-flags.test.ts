// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Environment } from './environment.ts';
import { defaultOptions, type ParsedOptions, parseOptions } from './options.ts';
import type { ServerOptions } from './server-options.ts';

/** One flag of Triton. Texts and values are what `tritonserver` of the target answers. */
interface Row {
  readonly id: string;
  readonly flag: string;
  /** the option it sets, its value before and after `good`; absent where the flag has no effect here */
  readonly sets?: readonly [field: keyof ServerOptions, initial: unknown, after: unknown];
  readonly good: string;
  /** flags without which `good` is refused */
  readonly besides?: readonly string[];
  /** what is refused and why; absent where every text is taken */
  readonly bad?: readonly [value: string, reason: string];
}

const NO_NUMBER = ['x', 'Invalid option value. Got x'] as const;
const NO_BOOL = ['yes', 'invalid value for bool option: yes'] as const;
const TLS_FILES = ['--grpc-server-cert=c.pem', '--grpc-server-key=k.pem'];
const NO_PAIR = [
  '5',
  'Cannot parse pair option due to incorrect number of inputs.--<pair option> argument requires format <first>:<second>. Found: 5',
] as const;

const rows: readonly Row[] = [
  { id: 'F-02', flag: 'id', sets: ['id', 'triton', 'x'], good: 'x' },
  {
    id: 'F-03',
    flag: 'exit-timeout-secs',
    sets: ['exitTimeoutSecs', 30, 0],
    good: '-5',
    bad: NO_NUMBER,
  },
  { id: 'F-04', flag: 'log-verbose', sets: ['logVerbose', 0, 1], good: 'TRUE', bad: NO_NUMBER },
  { id: 'F-05', flag: 'log-info', sets: ['logInfo', true, false], good: 'off', bad: NO_BOOL },
  { id: 'F-06', flag: 'log-warning', sets: ['logWarning', true, false], good: '0', bad: NO_BOOL },
  { id: 'F-07', flag: 'log-error', sets: ['logError', true, false], good: 'False', bad: NO_BOOL },
  {
    id: 'F-08',
    flag: 'log-format',
    sets: ['logFormat', 'default', 'ISO8601'],
    good: 'ISO8601',
    bad: ['iso8601', 'invalid argument for --log-format'],
  },
  { id: 'F-09', flag: 'log-file', sets: ['logFile', '', 'a.log'], good: 'a.log' },
  { id: 'F-10', flag: 'model-repository', sets: ['modelRepositories', [], ['a']], good: 'a' },
  { id: 'F-11', flag: 'model-store', sets: ['modelRepositories', [], ['a']], good: 'a' },
  {
    id: 'F-12',
    flag: 'exit-on-error',
    sets: ['exitOnError', true, false],
    good: 'false',
    bad: NO_BOOL,
  },
  {
    id: 'F-14',
    flag: 'strict-readiness',
    sets: ['strictReadiness', true, false],
    good: 'false',
    bad: NO_BOOL,
  },
  {
    id: 'F-15',
    flag: 'model-control-mode',
    sets: ['modelControlMode', 'none', 'explicit'],
    good: 'EXPLICIT',
    bad: ['x', 'invalid argument for --model-control-mode'],
  },
  {
    id: 'F-16',
    flag: 'repository-poll-secs',
    sets: ['repositoryPollSecs', 15, 0],
    good: '5',
    bad: NO_NUMBER,
  },
  {
    id: 'F-18',
    flag: 'model-config-name',
    sets: ['modelConfigName', '', 'h100'],
    good: 'h100',
    bad: ['', 'Error: empty argument for --model-config-name'],
  },
  {
    id: 'F-19',
    flag: 'model-load-thread-count',
    sets: ['modelLoadThreadCount', 4, 1],
    good: '0',
    bad: NO_NUMBER,
  },
  {
    id: 'F-20',
    flag: 'model-load-retry-count',
    sets: ['modelLoadRetryCount', 0, 2],
    good: '2',
    bad: NO_NUMBER,
  },
  {
    id: 'F-21',
    flag: 'model-namespacing',
    sets: ['modelNamespacing', false, true],
    good: 'true',
    bad: NO_BOOL,
  },
  { id: 'F-22', flag: 'enable-peer-access', good: 'false', bad: NO_BOOL },
  { id: 'F-23', flag: 'allow-http', sets: ['allowHttp', true, false], good: 'false', bad: NO_BOOL },
  { id: 'F-24', flag: 'http-address', sets: ['httpAddress', '0.0.0.0', '::1'], good: 'ipv6:[::1]' },
  {
    id: 'F-25',
    flag: 'http-port',
    sets: ['httpPort', 8000, 81],
    good: ' 81 ',
    bad: ['', 'Invalid option value. Got '],
  },
  {
    id: 'F-26',
    flag: 'reuse-http-port',
    sets: ['reuseHttpPort', false, true],
    good: '1',
    bad: NO_BOOL,
  },
  {
    id: 'F-27',
    flag: 'http-header-forward-pattern',
    sets: ['httpHeaderForwardPattern', '', 'x-.*'],
    good: 'x-.*',
  },
  { id: 'F-28', flag: 'http-thread-count', good: '4', bad: NO_NUMBER },
  {
    id: 'F-29',
    flag: 'http-max-input-size',
    sets: ['httpMaxInputBytes', 67_108_864, 1],
    good: '1',
    bad: ['0', 'Error: --http-max-input-size must be greater than 0.'],
  },
  {
    id: 'F-30',
    flag: 'http-restricted-api',
    sets: [
      'httpRestrictedApis',
      [],
      [
        { category: 'health', key: 'k', value: 'v=w' },
        { category: 'trace', key: 'k', value: 'v=w' },
      ],
    ],
    good: 'health,trace:k=v=w',
    bad: [
      'health',
      "--http-restricted-api option format is '<config name>:<setting>=<value>'. Got health",
    ],
  },
  { id: 'F-31', flag: 'allow-grpc', sets: ['allowGrpc', true, false], good: 'false', bad: NO_BOOL },
  {
    id: 'F-32',
    flag: 'grpc-address',
    sets: ['grpcAddress', '0.0.0.0', '127.0.0.1'],
    good: '127.0.0.1',
  },
  { id: 'F-33', flag: 'grpc-port', sets: ['grpcPort', 8001, 12], good: '12abc', bad: NO_NUMBER },
  {
    id: 'F-34',
    flag: 'reuse-grpc-port',
    sets: ['reuseGrpcPort', false, true],
    good: 'on',
    bad: NO_BOOL,
  },
  {
    id: 'F-35',
    flag: 'grpc-header-forward-pattern',
    sets: ['grpcHeaderForwardPattern', '', 'x'],
    good: 'x',
  },
  {
    id: 'F-36',
    flag: 'grpc-infer-thread-count',
    good: '128',
    bad: ['129', 'invalid argument for --grpc_infer_thread_count. Must be in the range 2 to 128.'],
  },
  { id: 'F-37', flag: 'grpc-infer-allocation-pool-size', good: '16', bad: NO_NUMBER },
  {
    id: 'F-38',
    flag: 'grpc-max-response-pool-size',
    sets: ['grpcMaxResponsePoolSize', 2_147_483_647, 1],
    good: '1',
    bad: ['0', 'Error: --grpc-max-response-pool-size must be greater than 0.'],
  },
  {
    id: 'F-39',
    flag: 'grpc-use-ssl',
    sets: ['grpcUseSsl', false, true],
    good: 'true',
    besides: TLS_FILES,
    bad: NO_BOOL,
  },
  {
    id: 'F-40',
    flag: 'grpc-use-ssl-mutual',
    sets: ['grpcUseSsl', false, true],
    good: 'false',
    besides: TLS_FILES,
    bad: NO_BOOL,
  },
  { id: 'F-41', flag: 'grpc-server-cert', sets: ['grpcServerCert', '', 'a.pem'], good: 'a.pem' },
  { id: 'F-42', flag: 'grpc-server-key', sets: ['grpcServerKey', '', 'a.pem'], good: 'a.pem' },
  { id: 'F-43', flag: 'grpc-root-cert', sets: ['grpcRootCert', '', 'a.pem'], good: 'a.pem' },
  {
    id: 'F-44',
    flag: 'grpc-infer-response-compression-level',
    sets: ['grpcInferResponseCompressionLevel', 'none', 'high'],
    good: 'HIGH',
    bad: ['x', 'invalid argument for --grpc_infer_response_compression_level'],
  },
  {
    id: 'F-45',
    flag: 'grpc-restricted-protocol',
    sets: [
      'grpcRestrictedProtocols',
      [],
      [{ category: 'inference', key: 'triton-grpc-protocol-k', value: 'v' }],
    ],
    good: 'inference:k=v',
    bad: ['inference,infer:k=v', "unknown restricted protocol 'infer' "],
  },
  {
    id: 'F-46',
    flag: 'grpc-keepalive-time',
    sets: ['grpcKeepaliveTimeMs', 7_200_000, 1],
    good: '1',
    bad: NO_NUMBER,
  },
  {
    id: 'F-47',
    flag: 'grpc-keepalive-timeout',
    sets: ['grpcKeepaliveTimeoutMs', 20_000, 1],
    good: '1',
    bad: NO_NUMBER,
  },
  {
    id: 'F-48',
    flag: 'grpc-keepalive-permit-without-calls',
    sets: ['grpcKeepalivePermitWithoutCalls', false, true],
    good: '1',
    bad: ['2', 'invalid value for bool option: 2'],
  },
  {
    id: 'F-49',
    flag: 'grpc-http2-max-pings-without-data',
    sets: ['grpcHttp2MaxPingsWithoutData', 2, 0],
    good: '0',
    bad: NO_NUMBER,
  },
  {
    id: 'F-50',
    flag: 'grpc-http2-min-recv-ping-interval-without-data',
    sets: ['grpcHttp2MinRecvPingIntervalWithoutDataMs', 300_000, 5],
    good: '5',
    bad: NO_NUMBER,
  },
  {
    id: 'F-51',
    flag: 'grpc-http2-max-ping-strikes',
    sets: ['grpcHttp2MaxPingStrikes', 2, 0],
    good: '0',
    bad: NO_NUMBER,
  },
  {
    id: 'F-52',
    flag: 'grpc-max-connection-age',
    sets: ['grpcMaxConnectionAgeMs', undefined, 5],
    good: '5',
    bad: NO_NUMBER,
  },
  {
    id: 'F-53',
    flag: 'grpc-max-connection-age-grace',
    sets: ['grpcMaxConnectionAgeGraceMs', undefined, 5],
    good: '5',
    bad: NO_NUMBER,
  },
  {
    id: 'F-54',
    flag: 'allow-sagemaker',
    sets: ['allowSagemaker', false, true],
    good: 'true',
    bad: NO_BOOL,
  },
  {
    id: 'F-55',
    flag: 'sagemaker-port',
    sets: ['sagemakerPort', 8080, 81],
    good: '81',
    bad: NO_NUMBER,
  },
  {
    id: 'F-56',
    flag: 'sagemaker-safe-port-range',
    sets: ['sagemakerSafePortRange', undefined, [8000, 8002]],
    good: '8000-8002',
    bad: [
      '5',
      'Cannot parse pair option due to incorrect number of inputs.--<pair option> argument requires format <first>-<second>. Found: 5',
    ],
  },
  { id: 'F-57', flag: 'sagemaker-thread-count', good: '4', bad: NO_NUMBER },
  {
    id: 'F-58',
    flag: 'allow-vertex-ai',
    sets: ['allowVertexAi', false, true],
    good: 'true',
    bad: NO_BOOL,
  },
  {
    id: 'F-59',
    flag: 'vertex-ai-port',
    sets: ['vertexAiPort', 8080, 81],
    good: '81',
    bad: NO_NUMBER,
  },
  { id: 'F-60', flag: 'vertex-ai-thread-count', good: '4', bad: NO_NUMBER },
  {
    id: 'F-61',
    flag: 'vertex-ai-default-model',
    sets: ['vertexAiDefaultModel', '', 'm'],
    good: 'm',
  },
  {
    id: 'F-62',
    flag: 'allow-metrics',
    sets: ['allowMetrics', true, false],
    good: 'false',
    bad: NO_BOOL,
  },
  {
    id: 'F-63',
    flag: 'allow-gpu-metrics',
    sets: ['allowGpuMetrics', true, false],
    good: 'false',
    bad: NO_BOOL,
  },
  {
    id: 'F-64',
    flag: 'allow-cpu-metrics',
    sets: ['allowCpuMetrics', true, false],
    good: 'false',
    bad: NO_BOOL,
  },
  {
    id: 'F-65',
    flag: 'metrics-address',
    sets: ['metricsAddress', '', '127.0.0.1'],
    good: '127.0.0.1',
  },
  { id: 'F-66', flag: 'metrics-port', sets: ['metricsPort', 8002, 81], good: '81', bad: NO_NUMBER },
  {
    id: 'F-67',
    flag: 'metrics-interval-ms',
    sets: ['metricsIntervalMs', 2000, 500.5],
    good: '500.5',
    bad: NO_NUMBER,
  },
  {
    id: 'F-68',
    flag: 'metrics-config',
    sets: ['metricsConfig', [], [{ setting: 'summary_latencies', value: 'true' }]],
    good: 'summary_latencies=true',
    bad: ['a,b=c', '--metrics-config option format is <setting>=<value>. Got a,b=c'],
  },
  {
    id: 'F-69',
    flag: 'trace-config',
    sets: ['traceRate', 1000, 5],
    good: 'rate=5',
    bad: ['rate', "--trace-config option format is '<trace mode>,<setting>=<value>'. Got rate"],
  },
  {
    id: 'F-70',
    flag: 'cache-config',
    sets: ['cacheConfig', [], [{ name: 'local', key: 'size', value: '4096' }]],
    good: 'local,size=4096',
    bad: [
      'local,size=',
      "--cache-config option format is '<cache name>,<setting>=<value>'. Got local,size=",
    ],
  },
  { id: 'F-71', flag: 'cache-directory', good: '/x' },
  {
    id: 'F-72',
    flag: 'rate-limit',
    sets: ['rateLimit', 'off', 'execution_count'],
    good: 'Execution_Count',
    bad: ['x', 'invalid argument for --rate-limit'],
  },
  {
    id: 'F-73',
    flag: 'rate-limit-resource',
    sets: ['rateLimitResources', [], [{ name: 'r', count: 1, device: 2 }]],
    good: 'R:1:2',
    bad: [
      'R',
      "--rate-limit-resource option format is '<resource_name>:<count>:<device>' or '<resource_name>:<count>'. Got R",
    ],
  },
  {
    id: 'F-74',
    flag: 'pinned-memory-pool-byte-size',
    sets: ['pinnedMemoryPoolBytes', 268_435_456, 0],
    good: '-5',
    bad: NO_NUMBER,
  },
  {
    id: 'F-75',
    flag: 'cuda-memory-pool-byte-size',
    sets: ['cudaMemoryPoolBytes', new Map(), new Map([[0, 2 ** 32]])],
    good: '0:4294967296',
    bad: NO_PAIR,
  },
  {
    id: 'F-76',
    flag: 'cuda-virtual-address-size',
    sets: ['cudaVirtualAddressBytes', new Map(), new Map([[1, 5]])],
    good: '1:5',
    bad: NO_PAIR,
  },
  { id: 'F-77', flag: 'min-supported-compute-capability', good: '6.0', bad: NO_NUMBER },
  { id: 'F-78', flag: 'buffer-manager-thread-count', good: '-1', bad: NO_NUMBER },
  {
    id: 'F-79',
    flag: 'host-policy',
    sets: ['hostPolicies', [], [{ name: 'a', key: 'cpu-cores', value: '0-3' }]],
    good: 'a,cpu-cores=0-3',
    bad: [
      'a,numa-node',
      "--host-policy option format is '<policy name>,<setting>=<value>'. Got a,numa-node",
    ],
  },
  {
    id: 'F-80',
    flag: 'model-load-gpu-limit',
    sets: ['modelLoadGpuLimits', new Map(), new Map([[0, 0.5]])],
    good: '0:0.5',
    bad: NO_PAIR,
  },
  {
    id: 'F-81',
    flag: 'allow-client-shm',
    sets: ['allowClientShm', false, true],
    good: 'true',
    bad: NO_BOOL,
  },
  { id: 'F-82', flag: 'backend-directory', good: '/x' },
  {
    id: 'F-83',
    flag: 'backend-config',
    sets: ['backendConfig', [], [{ backend: 'python', key: 'a', value: 'b=c' }]],
    good: 'python,a=b=c',
    bad: [
      ',a=b',
      'No backend specified. --backend-config option format is <backend name>,<setting>=<value> or <setting>=<value>. Got ,a=b',
    ],
  },
  { id: 'F-84', flag: 'repoagent-directory', good: '/x' },
  {
    id: 'F-85',
    flag: 'strict-model-config',
    sets: ['autoCompleteConfig', true, false],
    good: 'true',
    bad: NO_BOOL,
  },
  {
    id: 'F-86',
    flag: 'response-cache-byte-size',
    sets: ['responseCacheBytes', undefined, 4096],
    good: '4096',
    bad: NO_NUMBER,
  },
  { id: 'F-87', flag: 'trace-file', sets: ['traceFile', '', 'a.json'], good: 'a.json' },
  {
    id: 'F-88',
    flag: 'trace-level',
    sets: ['traceLevels', [], ['TIMESTAMPS']],
    good: 'Max',
    bad: ['X', 'invalid value for trace level option: x'],
  },
  { id: 'F-89', flag: 'trace-rate', sets: ['traceRate', 1000, 5], good: '5', bad: NO_NUMBER },
  { id: 'F-90', flag: 'trace-count', sets: ['traceCount', -1, 5], good: '5', bad: NO_NUMBER },
  {
    id: 'F-91',
    flag: 'trace-log-frequency',
    sets: ['traceLogFrequency', 0, 5],
    good: '5',
    bad: NO_NUMBER,
  },
];

function parse(argv: readonly string[], env: Environment = {}): ParsedOptions {
  return parseOptions('tritonserver', argv, env);
}

function accept(
  argv: readonly string[],
  env: Environment = {},
): ParsedOptions & { kind: 'options' } {
  const parsed = parse(argv, env);
  if (parsed.kind !== 'options') assert.fail(`${argv}: ${JSON.stringify(parsed)}`);
  return parsed;
}

function refuse(argv: readonly string[], env: Environment = {}): ParsedOptions & { kind: 'error' } {
  const parsed = parse(argv, env);
  if (parsed.kind !== 'error') assert.fail(`${argv}: ${parsed.kind}`);
  return parsed;
}

describe('the flags of Triton', () => {
  it('are all in the table but the three that are tested by name', () => {
    // F-01 help and F-13 disable-auto-complete-config take no value; F-17 load-model needs its mode.
    const ids = rows.map(({ id }) => Number(id.slice(2)));
    const all = Array.from({ length: 91 }, (_, i) => i + 1);
    assert.deepEqual(
      ids,
      all.filter((id) => ![1, 13, 17].includes(id)),
    );
    assert.equal(parse(['--help']).kind, 'help');
    assert.equal(accept(['--disable-auto-complete-config']).options.autoCompleteConfig, false);
    const { options } = accept(['--model-control-mode=explicit', '--load-model', 'm']);
    assert.deepEqual(options.loadModels, ['m']);
  });

  for (const { id, flag, sets, good, besides = [], bad } of rows) {
    it(`${id} --${flag}`, () => {
      if (sets !== undefined) {
        assert.deepEqual(defaultOptions('tritonserver')[sets[0]], sets[1]);
      }
      for (const argv of [[`--${flag}=${good}`], [`--${flag}`, good]]) {
        const { options } = accept([...besides, ...argv]);
        if (sets !== undefined) assert.deepEqual(options[sets[0]], sets[2]);
      }
      if (bad === undefined) return;
      const { message } = refuse([`--${flag}=${bad[0]}`]);
      assert.equal(message, `Bad option: "--${flag}".\n${bad[1]}`);
    });
  }
});

describe('deprecated flags', () => {
  it('say what took their place', () => {
    assert.deepEqual(accept(['--trace-rate=5']).warnings, [
      "Warning: '--trace-rate' has been deprecated and will be removed in future releases. Please use '--trace-config rate=<rate value> instead.",
    ]);
    assert.deepEqual(refuse(['--trace-rate=x']).warnings.length, 1);
    assert.deepEqual(refuse(['--response-cache-byte-size=x']).warnings, []);
    assert.deepEqual(accept(['--response-cache-byte-size=4096']).warnings, [
      "Warning: '--response-cache-byte-size' has been deprecated! This will default to the 'local' cache implementation with the provided byte size for its config. Please use '--cache-config' instead. The equivalent --cache-config CLI args would be: '--cache-config=local,size=4096'",
    ]);
  });

  it('give way to what took their place', () => {
    const both = accept(['--trace-rate=5', '--trace-config=rate=6']);
    assert.equal(both.options.traceRate, 6);
    assert.equal(
      both.warnings[1],
      "Warning: Overriding deprecated '--trace-rate' in favor of provided rate value in --trace-config!",
    );
    const strict = accept(['--strict-model-config=false', '--disable-auto-complete-config']);
    assert.equal(strict.options.autoCompleteConfig, false);
    assert.match(
      strict.warnings[1] ?? '',
      /Overriding deprecated '--strict-model-config' from False/,
    );
  });

  it('refuse two ways of sizing the cache', () => {
    const { message, usage } = refuse([
      '--response-cache-byte-size=1',
      '--cache-config=local,size=1',
    ]);
    assert.equal(
      message,
      'Error: Incompatible flags --response-cache-byte-size and --cache-config both provided. Please provide one or the other.',
    );
    assert.equal(usage, true);
  });
});

describe('--trace-config', () => {
  it('adds levels up, and OFF wins', () => {
    const levels = (...words: string[]): readonly string[] =>
      accept(words.map((word) => `--trace-config=level=${word}`)).options.traceLevels;
    assert.deepEqual(levels('TIMESTAMPS', 'tensors', 'min'), ['TIMESTAMPS', 'TENSORS']);
    assert.deepEqual(levels('TIMESTAMPS', 'OFF'), []);
  });

  it('reads the settings of the chosen mode alone', () => {
    const file = '--trace-config=triton,file=a.json';
    assert.equal(accept([file]).options.traceFile, 'a.json');
    const other = accept([file, '--trace-config=mode=OpenTelemetry', '--trace-file=b.json']);
    assert.equal(other.options.traceFile, 'b.json');
    assert.equal(
      other.warnings[1],
      "Warning: '--trace-file' is deprecated and will be ignored with opentelemetry tracing mode. ",
    );
    assert.deepEqual(other.options.traceConfig[0], {
      mode: 'triton',
      key: 'file',
      value: 'a.json',
    });
  });

  it('names the setting whose value is wrong', () => {
    const table: [string, string][] = [
      ['rate=x', 'Bad option: "--trace-config rate".\nInvalid option value. Got x'],
      ['level=x', 'Bad option: "--trace-config level".\ninvalid value for trace level option: x'],
      [
        'triton,log-frequency=x',
        'Bad option: "--trace-config triton,log-frequency".\nInvalid option value. Got x',
      ],
      [
        'foo,a=b',
        'Bad option: "--trace-config".\ninvalid value for trace mode option: foo. Available options are "triton" and "opentelemetry"',
      ],
    ];
    for (const [value, message] of table) {
      assert.equal(refuse([`--trace-config=${value}`]).message, message);
    }
    accept(['--trace-config=unknown=x', '--trace-config=opentelemetry,bsp_schedule_delay=x']);
    const batch = '--trace-config=opentelemetry,bsp_schedule_delay=x';
    assert.match(refuse(['--trace-config=mode=opentelemetry', batch]).message, /Got x$/);
  });
});

describe('values that can be read and not followed', () => {
  it('are refused without the usage', () => {
    const policy = refuse(['--host-policy=a,b=c']);
    assert.equal(
      policy.message,
      "setting host policy: Unsupported - Unsupported host policy setting 'b' is specified, supported settings are 'numa-node', 'cpu-cores'",
    );
    assert.equal(policy.usage, false);
    assert.equal(
      refuse(['--model-load-gpu-limit=0:1.5']).message,
      'setting model load GPU limit: Invalid argument - expects limit fraction to be in range [0.0, 1.0], got 1.500000',
    );
  });
});

describe('ports', () => {
  it('are compared over all services that are on', () => {
    const table: [string[], string][] = [
      [
        ['--allow-sagemaker=1', '--sagemaker-port=8000'],
        'HTTP requests and SageMaker requests at the same address and port 0.0.0.0:8000',
      ],
      [
        ['--allow-vertex-ai=1', '--vertex-ai-port=8002'],
        'metrics requests and Vertex AI requests at the same address and port 0.0.0.0:8002',
      ],
      [
        ['--allow-sagemaker=1', '--allow-vertex-ai=1'],
        'SageMaker requests and Vertex AI requests at the same address and port 0.0.0.0:8080',
      ],
      [
        ['--allow-sagemaker=1', '--sagemaker-safe-port-range=1-5'],
        'HTTP requests at port 8000, allowed port range is [1, 5]',
      ],
    ];
    for (const [argv, message] of table) {
      assert.equal(refuse(argv).message, `The server cannot listen to ${message}`);
    }
  });
});

describe('the environment', () => {
  it('turns Vertex AI on and the rest off', () => {
    const env = { AIP_MODE: 'PREDICTION', AIP_STORAGE_URI: '/models', AIP_HTTP_PORT: '81' };
    const { message } = refuse(['--vertex-ai-port=8002'], env);
    assert.match(message, /metrics requests and Vertex AI/);
    const { options } = accept(['--allow-vertex-ai=false'], env);
    assert.deepEqual(
      [options.allowHttp, options.allowGrpc, options.vertexAiPort, options.modelRepositories],
      [false, false, 81, ['/models']],
    );
    assert.deepEqual(
      accept(['--allow-vertex-ai=0', '--model-store=a'], env).options.modelRepositories,
      ['a'],
    );
    assert.equal(refuse([], { AIP_HTTP_PORT: 'x' }).message, 'Invalid option value. Got x');
  });

  it('speaks for SageMaker and the log', () => {
    const { options } = accept([], {
      SAGEMAKER_TRITON_PING_MODE: 'live',
      SAGEMAKER_TRITON_DEFAULT_MODEL_NAME: 'm',
      TRITON_SERVER_ESCAPE_LOG_MESSAGES: '0',
    });
    assert.deepEqual(
      [options.sagemakerPingMode, options.sagemakerDefaultModel, options.logEscape],
      ['live', 'm', false],
    );
  });
});

describe('a word that SageMaker does not know', () => {
  it('ends the start of its port, and no other', () => {
    const env = { SAGEMAKER_TRITON_INFERENCE_TYPE: 'dream' };
    assert.equal(accept([], env).options.sagemakerInferenceType, 'infer');
    assert.equal(
      refuse(['--allow-sagemaker=true'], env).message,
      'SAGEMAKER_TRITON_INFERENCE_TYPE: expected infer, generate, generate_stream, got dream',
    );
  });
});

describe('under our own name', () => {
  it('a number is a number to its end', () => {
    const parsed = parseOptions('nereid', ['--http-port=81x']);
    assert.equal(
      parsed.kind === 'error' && parsed.message,
      'Bad option: "--http-port".\nInvalid option value. Got 81x',
    );
  });
});
