// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import {
  BuildError,
  bool,
  both,
  decimal,
  type Flag,
  ignored,
  int32,
  integer,
  type NamedSetting,
  namedSetting,
  pair,
  size,
} from './flag.ts';

/** One number for each GPU; a later flag for the same GPU takes the place of an earlier one. */
export type PerDevice = ReadonlyMap<number, number>;

/** Memory and devices. */
export interface DeviceOptions {
  readonly pinnedMemoryPoolBytes: number;
  readonly cudaMemoryPoolBytes: PerDevice;
  readonly cudaVirtualAddressBytes: PerDevice;
  /** fraction of a GPU's memory above which no model is loaded there */
  readonly modelLoadGpuLimits: PerDevice;
  /** `name` is the policy; `key` is numa-node or cpu-cores */
  readonly hostPolicies: readonly NamedSetting[];
}

/** Before any flag is read; the defaults of the flags follow. */
export const emptyDeviceOptions: DeviceOptions = {
  pinnedMemoryPoolBytes: 0,
  cudaMemoryPoolBytes: new Map(),
  cudaVirtualAddressBytes: new Map(),
  modelLoadGpuLimits: new Map(),
  hostPolicies: [],
};

const GROUP = 'Memory and devices';
const NO_GPU_MEMORY = 'this server does not use GPU memory yet';

export const deviceFlags: readonly Flag<DeviceOptions>[] = [
  {
    name: 'pinned-memory-pool-byte-size',
    group: GROUP,
    value: '<integer>',
    help: 'Shown as nv_pinned_memory_pool_total_bytes, as by a Triton without a GPU; no such memory is taken.',
    defaults: both('268435456'),
    set: (draft, value) => {
      const bytes = integer(value, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
      draft.pinnedMemoryPoolBytes = Math.max(0, bytes);
    },
  },
  {
    name: 'cuda-memory-pool-byte-size',
    group: GROUP,
    value: '<gpu:bytes>',
    help: 'Bytes of the memory pool of one GPU.',
    repeats: true,
    withoutEffect: NO_GPU_MEMORY,
    set: (draft, value) => {
      draft.cudaMemoryPoolBytes = withDevice(draft.cudaMemoryPoolBytes, value, size);
    },
  },
  {
    name: 'cuda-virtual-address-size',
    group: GROUP,
    value: '<gpu:bytes>',
    help: 'Address space of each implicit state that grows, on one GPU.',
    repeats: true,
    withoutEffect: NO_GPU_MEMORY,
    set: (draft, value) => {
      draft.cudaVirtualAddressBytes = withDevice(draft.cudaVirtualAddressBytes, value, size);
    },
  },
  ignored('min-supported-compute-capability', GROUP, '<float>', NO_GPU_MEMORY, decimal),
  ignored('enable-peer-access', GROUP, '<boolean>', NO_GPU_MEMORY, bool),
  ignored(
    'buffer-manager-thread-count',
    GROUP,
    '<integer>',
    'tensors are copied by the thread that needs them',
    int32,
  ),
  {
    name: 'host-policy',
    group: GROUP,
    value: '<policy,setting=value>',
    help: 'numa-node or cpu-cores of a host policy.',
    repeats: true,
    withoutEffect: 'threads are not bound to processors or memory nodes',
    set: (draft, value) => {
      const policy = namedSetting('host-policy', value, ',', 'policy name');
      if (policy.key !== 'numa-node' && policy.key !== 'cpu-cores') {
        throw new BuildError(
          'setting host policy: Unsupported - Unsupported host policy setting ' +
            `'${policy.key}' is specified, supported settings are 'numa-node', 'cpu-cores'`,
        );
      }
      draft.hostPolicies = [...draft.hostPolicies, policy];
    },
  },
  {
    name: 'model-load-gpu-limit',
    group: GROUP,
    value: '<gpu:fraction>',
    help: 'Share of the memory of a GPU above which no model is loaded there.',
    repeats: true,
    withoutEffect: NO_GPU_MEMORY,
    set: (draft, value) => {
      draft.modelLoadGpuLimits = withDevice(draft.modelLoadGpuLimits, value, fraction);
    },
  },
];

function withDevice(before: PerDevice, value: string, read: (text: string) => number): PerDevice {
  const [device, amount] = pair(value, ':');
  return new Map(before).set(int32(device), read(amount));
}

function fraction(value: string): number {
  const number = decimal(value);
  if (number >= 0 && number <= 1) return number;
  throw new BuildError(
    'setting model load GPU limit: Invalid argument - ' +
      `expects limit fraction to be in range [0.0, 1.0], got ${number.toFixed(6)}`,
  );
}
