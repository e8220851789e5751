// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import {
  bool,
  both,
  type Flag,
  FlagError,
  int32,
  notEmpty,
  OPTIONAL_BOOLEAN,
  tritonWord,
} from './flag.ts';

/** Models whose service makes the server ready; `src/lifecycle/readiness.ts` says what the words mean. */
export type ReadinessPolicy =
  | { readonly kind: 'all' | 'known' | 'any' }
  | { readonly kind: 'listed'; readonly names: readonly string[] };

/** Where models come from and which are served. */
export interface RepositoryOptions {
  readonly modelRepositories: readonly string[];
  readonly exitOnError: boolean;
  readonly autoCompleteConfig: boolean;
  readonly strictReadiness: boolean;
  /** which models make the server ready while that is strict */
  readonly readinessPolicy: ReadinessPolicy;
  readonly modelControlMode: 'none' | 'poll' | 'explicit' | 'on-demand';
  /** MiB that loaded models may take together in mode on-demand; 0 = no bound */
  readonly onDemandMemoryMb: number;
  /** calls that may wait for models in mode on-demand */
  readonly onDemandQueueSize: number;
  /** 0 unless the mode is poll */
  readonly repositoryPollSecs: number;
  /** `--load-model`, in order; `*` alone stands for all */
  readonly loadModels: readonly string[];
  readonly modelLoadThreadCount: number;
  /** a load may bring native libraries, scripts, another `backend` or `runtime` */
  readonly allowOverrideCode: boolean;
  readonly modelLoadRetryCount: number;
  /** name of the configuration to take from `configs/`; empty = config.pbtxt */
  readonly modelConfigName: string;
  readonly modelNamespacing: boolean;
  /** the deprecated `--strict-model-config`; undefined = not given */
  readonly strictModelConfig: boolean | undefined;
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptyRepositoryOptions: RepositoryOptions = {
  modelRepositories: [],
  exitOnError: true,
  autoCompleteConfig: true,
  strictReadiness: true,
  readinessPolicy: { kind: 'all' },
  modelControlMode: 'none',
  onDemandMemoryMb: 0,
  onDemandQueueSize: 0,
  loadModels: [],
  modelLoadThreadCount: 0,
  allowOverrideCode: false,
  repositoryPollSecs: 0,
  modelLoadRetryCount: 0,
  modelConfigName: '',
  modelNamespacing: false,
  strictModelConfig: undefined,
};

const MOST_LOAD_THREADS = 1024;

/** A flag for a number; one outside its bounds counts as the bound. */
function count(
  name: string,
  field: 'onDemandMemoryMb' | 'onDemandQueueSize' | 'modelLoadThreadCount' | 'modelLoadRetryCount',
  bounds: { readonly least: number; readonly most?: number; readonly initial: number },
  help: string,
): Flag<RepositoryOptions> {
  const { least, most = Number.MAX_SAFE_INTEGER, initial } = bounds;
  return {
    name,
    group: 'Model repository',
    value: '<integer>',
    help,
    defaults: both(String(initial)),
    set: (draft, value) => {
      draft[field] = Math.min(Math.max(least, int32(value)), most);
    },
  };
}

export const repositoryFlags: readonly Flag<RepositoryOptions>[] = [
  {
    name: 'model-repository',
    group: 'Model repository',
    value: '<path>',
    help: 'Folder of models, or s3://bucket/path, gs://bucket/path or as://account/container/path. May be given several times; a model found in two of them is not served.',
    repeats: true,
    set: (draft, value) => {
      draft.modelRepositories = [...new Set([...draft.modelRepositories, notEmpty(value)])];
    },
  },
  {
    name: 'model-store',
    group: 'Model repository',
    value: '<path>',
    help: 'The same as --model-repository.',
    repeats: true,
    set: (draft, value) => {
      draft.modelRepositories = [...new Set([...draft.modelRepositories, notEmpty(value)])];
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
    name: 'readiness-policy',
    group: 'Model repository',
    value: '<string>',
    help: 'Models that strict readiness waits for: "all" that were asked for, those of them that are "known" (one that cannot be read is passed over, as Triton does), "any" one of them, or "listed:<name>[,<name>…]".',
    defaults: { tritonserver: 'known', nereid: 'all' },
    set: (draft, value) => {
      draft.readinessPolicy = readinessPolicy(value);
    },
  },
  {
    name: 'model-control-mode',
    group: 'Model repository',
    value: '<string>',
    help: '"none" loads every model at the start and no other; "poll" also follows what changes in the repositories; "explicit" loads those of --load-model and what the load API asks for; "on-demand" those and what requests name.',
    defaults: both('none'),
    set: (draft, value) => {
      draft.modelControlMode = tritonWord('model-control-mode', value, [
        'none',
        'poll',
        'explicit',
        'on-demand',
      ]);
    },
  },
  {
    name: 'repository-poll-secs',
    group: 'Model repository',
    value: '<integer>',
    help: 'Seconds between two looks at the repositories in mode "poll"; 0 = never again.',
    defaults: both('15'),
    set: (draft, value) => {
      draft.repositoryPollSecs = int32(value);
    },
  },
  count(
    'on-demand-memory-mb',
    'onDemandMemoryMb',
    { least: 0, initial: 0 },
    'MiB that loaded models may take together in mode "on-demand": beyond it others are evicted. 0 = no bound.',
  ),
  count(
    'on-demand-queue-size',
    'onDemandQueueSize',
    { least: 1, initial: 1000 },
    'Calls that may wait for models to be loaded in mode "on-demand"; more are refused as by a full queue.',
  ),
  {
    name: 'load-model',
    group: 'Model repository',
    value: '<string>',
    help: 'Model to load at the start in mode "explicit", or "on-demand", which never evicts it. May be given several times; * alone means all.',
    repeats: true,
    set: (draft, value) => {
      draft.loadModels = [...new Set([...draft.loadModels, notEmpty(value)])];
    },
  },
  count(
    'model-load-thread-count',
    'modelLoadThreadCount',
    { least: 1, most: MOST_LOAD_THREADS, initial: 4 },
    'Models that may load at the same time.',
  ),
  count(
    'model-load-retry-count',
    'modelLoadRetryCount',
    { least: 0, initial: 0 },
    'How often a version whose build failed is built again.',
  ),
  {
    name: 'model-config-name',
    group: 'Model repository',
    value: '<string>',
    help: 'Configuration NAME to take from the file configs/NAME.pbtxt of a model that has it, instead of config.pbtxt.',
    set: (draft, value) => {
      if (value === '') throw new FlagError('Error: empty argument for --model-config-name');
      draft.modelConfigName = value;
    },
  },
  {
    name: 'model-namespacing',
    group: 'Model repository',
    value: '<boolean>',
    help: 'Load models of one name from several repositories. A request for a name that several serve is refused.',
    defaults: both('false'),
    set: (draft, value) => {
      draft.modelNamespacing = bool(value);
    },
  },
  {
    name: 'allow-override-code',
    group: 'Model repository',
    value: OPTIONAL_BOOLEAN,
    help: 'Let the load API bring native libraries and scripts, and name another backend, runtime or operator library than the repository.',
    defaults: both('false'),
    set: (draft, value) => {
      draft.allowOverrideCode = bool(value);
    },
  },
];

export const deprecatedRepositoryFlags: readonly Flag<RepositoryOptions>[] = [
  {
    name: 'strict-model-config',
    group: 'Deprecated',
    value: '<boolean>',
    help: 'Use --disable-auto-complete-config.',
    deprecated: () =>
      "Warning: '--strict-model-config' has been deprecated! Please use '--disable-auto-complete-config' instead.",
    set: (draft, value) => {
      draft.strictModelConfig = bool(value);
    },
  },
];

function readinessPolicy(value: string): ReadinessPolicy {
  if (value === 'all' || value === 'known' || value === 'any') return { kind: value };
  const names = value.startsWith('listed:') ? value.slice('listed:'.length).split(',') : [];
  if (names.length === 0 || names.includes('')) {
    throw new FlagError(`Expected all, known, any or listed:<name>[,<name>]. Got ${value}`);
  }
  return { kind: 'listed', names };
}
