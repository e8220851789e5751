// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import type { ServerOptions } from '../config/server-options.ts';

const CGROUP_LIMITS = ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes'];
/** Less than this cannot hold one request of the default input limit. */
const SMALLEST_DEFAULT = 128 * 1024 * 1024;

/** Bytes of requests, tensors and answers together: `--memory-limit` or its default. */
export function memoryLimitOf({
  memoryLimitBytes,
}: Pick<ServerOptions, 'memoryLimitBytes'>): number {
  return memoryLimitBytes > 0 ? memoryLimitBytes : defaultMemoryLimit();
}

/**
 * The default of `--memory-limit`: half of what this process may use, bytes.
 * @param read replaces reading files (tests); undefined when the file is not there
 */
export function defaultMemoryLimit(
  read: (path: string) => string | undefined = readText,
  physicalBytes: number = totalmem(),
): number {
  let usable = physicalBytes;
  for (const path of CGROUP_LIMITS) {
    // "max", or a number near 2^63, means no limit.
    const limit = Number(read(path)?.trim());
    if (Number.isFinite(limit) && limit > 0) usable = Math.min(usable, limit);
  }
  return Math.max(SMALLEST_DEFAULT, Math.floor(usable / 2));
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
