// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { bool, both, type Flag, FlagError, integer, notEmpty, oneOf } from './flag.ts';

/** Where models come from and which are served. */
export interface RepositoryOptions {
  readonly modelRepositories: readonly string[];
  readonly exitOnError: boolean;
  readonly autoCompleteConfig: boolean;
  readonly strictReadiness: boolean;
  readonly modelControlMode: 'none' | 'explicit';
  /** `--load-model`, in order; `*` alone stands for all */
  readonly loadModels: readonly string[];
  readonly modelLoadThreadCount: number;
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptyRepositoryOptions: RepositoryOptions = {
  modelRepositories: [],
  exitOnError: true,
  autoCompleteConfig: true,
  strictReadiness: true,
  modelControlMode: 'none',
  loadModels: [],
  modelLoadThreadCount: 0,
};

export const repositoryFlags: readonly Flag<RepositoryOptions>[] = [
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
];
