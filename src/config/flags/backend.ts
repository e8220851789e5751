// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { both, type Flag, FlagError, INT32_MAX, ignored, integer, notEmpty } from './flag.ts';

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
  readonly pinnedMemoryPoolBytes: number;
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptyBackendOptions: BackendOptions = {
  backendConfig: [],
  onnxRuntimeLibrary: '',
  pinnedMemoryPoolBytes: 0,
};

const NO_GPU_MEMORY = 'this server does not use GPU memory yet';

export const backendFlags: readonly Flag<BackendOptions>[] = [
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
  {
    name: 'pinned-memory-pool-byte-size',
    group: 'Backend',
    value: '<integer>',
    help: 'Shown as nv_pinned_memory_pool_total_bytes, as Triton does without a GPU too; no such memory is taken.',
    defaults: both('268435456'),
    set: (draft, value) => {
      draft.pinnedMemoryPoolBytes = integer(value, 0, Number.MAX_SAFE_INTEGER);
    },
  },
  { ...ignored('cuda-memory-pool-byte-size', 'Backend', '<string>', NO_GPU_MEMORY), repeats: true },
  ignored('enable-peer-access', 'Backend', '<boolean>', NO_GPU_MEMORY),
  ignored('min-supported-compute-capability', 'Backend', '<float>', NO_GPU_MEMORY),
  ignored(
    'buffer-manager-thread-count',
    'Backend',
    '<integer>',
    'tensors are copied by the thread that needs them',
  ),
];
