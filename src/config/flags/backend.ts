// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import {
  type Flag,
  FlagError,
  INT32_MAX,
  ignored,
  integer,
  type NamedSetting,
  notEmpty,
} from './flag.ts';

/** `[backend,]key=value` of `--backend-config`; `backend` is empty for a setting of every backend. */
export interface BackendSetting {
  readonly backend: string;
  readonly key: string;
  readonly value: string;
}

/** Backends and their settings. */
export interface BackendOptions {
  readonly backendConfig: readonly BackendSetting[];
  /** empty = the one `nereid setup onnxruntime` fetched */
  readonly onnxRuntimeLibrary: string;
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptyBackendOptions: BackendOptions = {
  backendConfig: [],
  onnxRuntimeLibrary: '',
};

export const backendFlags: readonly Flag<BackendOptions>[] = [
  {
    name: 'backend-config',
    group: 'Backend',
    value: '<[backend,]key=value>',
    help: 'Setting of a backend, or of all. Known: default-max-batch-size; onnxruntime,intra_op_thread_count; onnxruntime,inter_op_thread_count.',
    repeats: true,
    set: (draft, value) => {
      const { name: backend, key, value: setting } = backendSetting(value);
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
];

function backendSetting(value: string): NamedSetting {
  const comma = value.indexOf(',');
  if (comma === 0) {
    throw new FlagError(
      'No backend specified. --backend-config option format is ' +
        `<backend name>,<setting>=<value> or <setting>=<value>. Got ${value}`,
    );
  }
  const equals = value.indexOf('=', comma + 1);
  const key = value.slice(comma + 1, Math.max(equals, comma + 1));
  const setting = value.slice(equals + 1);
  if (equals < 0 || key === '' || setting === '') {
    throw new FlagError(
      `--backend-config option format is '<backend name>,<setting>=<value>'. Got ${value}`,
    );
  }
  return { name: value.slice(0, Math.max(comma, 0)), key, value: setting };
}
